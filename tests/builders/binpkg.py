"""Binary packages and binhosts from a few words: gpkg, xpak and the Packages index.

Written with ``tarfile`` and the compressors of the standard library, so that what the tests feed
to our own readers does not come from them. Contents are ``Entry`` values whose bytes are in memory
(``file_entry``, ``link_entry``, ``directory_entry`` of sysextlib.tree).
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import zstandard

from sysextlib.tree import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SUFFIX = {"none": "", "zstd": ".zst", "gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}
TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
    Kind.CHARDEV: tarfile.CHRTYPE,
    Kind.BLOCKDEV: tarfile.BLKTYPE,
}
# Metadata that Portage leaves out of an index, or that has another key there.
INDEX_NAMES = {"repository": "REPO", "DESCRIPTION": "DESC"}
INDEX_KEYS = frozenset(
    [
        "BDEPEND",
        "BUILD_ID",
        "BUILD_TIME",
        "CHOST",
        "DEFINED_PHASES",
        "DEPEND",
        "DESCRIPTION",
        "EAPI",
        "IDEPEND",
        "IUSE",
        "KEYWORDS",
        "LICENSE",
        "PDEPEND",
        "PROPERTIES",
        "PROVIDES",
        "RDEPEND",
        "repository",
        "REQUIRES",
        "RESTRICT",
        "SLOT",
        "USE",
    ]
)


@dataclass(frozen=True, kw_only=True)
class PackageSpec:
    """What a package shall be.

    :param cpv: for example "sys-fs/zfs-2.4.3-r1".
    :param metadata: VDB keys beside CATEGORY, PF, EAPI, SLOT and BUILD_TIME, which have defaults.
    :param entries: its files; tar members in this order, hard links by a shared token.
    :param form: "gpkg" or "xpak".
    :param build_id: 0 leaves it out, and names the file as without binpkg-multi-instance.
    """

    cpv: str
    metadata: Mapping[str, str | bytes] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    form: str = "gpkg"
    compression: str = "zstd"
    build_id: int = 0

    @property
    def category(self) -> str:
        return self.cpv.partition("/")[0]

    @property
    def pf(self) -> str:
        return self.cpv.partition("/")[2]

    @property
    def path(self) -> str:
        """Where Portage puts it below PKGDIR."""
        if not self.build_id:
            return f"{self.cpv}.{'gpkg.tar' if self.form == 'gpkg' else 'tbz2'}"
        suffix = "gpkg.tar" if self.form == "gpkg" else "xpak"
        return f"{self.category}/{name_of(self.pf)}/{self.pf}-{self.build_id}.{suffix}"

    def vdb(self) -> dict[str, bytes]:
        """All keys as they are stored: a line each."""
        values: dict[str, str | bytes] = {
            "CATEGORY": self.category,
            "PF": self.pf,
            "EAPI": "8",
            "SLOT": "0",
            "BUILD_TIME": "1700000000",
            **({"BUILD_ID": str(self.build_id)} if self.build_id else {}),
            **self.metadata,
        }
        return {k: v if isinstance(v, bytes) else f"{v}\n".encode() for k, v in values.items()}


def compress(data: bytes, compression: str) -> bytes:
    """Return ``data`` as one frame or stream of a compressor."""
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)
    if compression == "gzip":
        return gzip.compress(data, mtime=0)
    if compression == "bzip2":
        return bz2.compress(data)
    if compression == "xz":
        return lzma.compress(data)
    assert compression == "none"
    return data


def image_tar(entries: Iterable[Entry], prefix: str, *, root: str | None = None) -> bytes:
    """Return a PAX tar of entries, each path after ``prefix``, the root's member first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        top = tarfile.TarInfo(root if root is not None else prefix.rstrip("/"))
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(top)
        first: dict[str, str] = {}
        for entry in entries:
            info, data = tar_member(entry, prefix)
            if entry.hardlink and entry.hardlink in first:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, first[entry.hardlink], 0
                data = b""
            elif entry.hardlink:
                first[entry.hardlink] = info.name
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tar_member(entry: Entry, prefix: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """Return a tar header and the bytes that follow it."""
    info = tarfile.TarInfo(prefix + entry.path)
    info.type, info.mode, info.mtime = TYPES[entry.kind], entry.mode, entry.mtime
    info.uid, info.gid, info.linkname = entry.uid, entry.gid, entry.target
    if entry.device:
        info.devmajor, info.devminor = entry.device
    info.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
        for name, value in entry.xattrs
    }
    data = entry.content.read() if entry.content else b""
    info.size = len(data)
    return info, data


def metadata_tar(values: Mapping[str, bytes]) -> bytes:
    """Return the inner metadata tar of a gpkg."""
    return plain_tar((f"metadata/{key}", data) for key, data in sorted(values.items()))


def plain_tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a ustar archive of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def manifest_line(name: str, data: bytes) -> str:
    """Return a gpkg Manifest line (GLEP 78)."""
    blake, sha = hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest()
    return f"DATA {name} {len(data)} BLAKE2B {blake} SHA512 {sha}\n"


def gpkg_members(spec: PackageSpec) -> dict[str, bytes]:
    """Return the members of a gpkg but for the Manifest, to be bent by tests of bad input."""
    suffix = SUFFIX[spec.compression]
    image = image_tar(spec.entries, "image/")
    return {
        "gpkg-1": b"",
        f"metadata.tar{suffix}": compress(metadata_tar(spec.vdb()), spec.compression),
        f"image.tar{suffix}": compress(image, spec.compression),
    }


def gpkg_container(
    members: Mapping[str, bytes], *, folder: str, manifest: bytes | None = None
) -> bytes:
    """Return a gpkg of these members; a right Manifest is added unless one is given."""
    if manifest is None:
        manifest = "".join(manifest_line(n, d) for n, d in members.items()).encode()
    whole = {**members, "Manifest": manifest} if manifest else dict(members)
    return plain_tar((f"{folder}/{name}", data) for name, data in whole.items())


def gpkg_bytes(spec: PackageSpec) -> bytes:
    folder = f"{spec.pf}-{spec.build_id}" if spec.build_id else spec.pf
    return gpkg_container(gpkg_members(spec), folder=folder)


def xpak_segment(values: Mapping[str, bytes]) -> bytes:
    """Return the metadata that follows the image of an xpak, trailer included."""
    index = data = b""
    for key, value in values.items():
        index += _number(len(key)) + key.encode() + _number(len(data)) + _number(len(value))
        data += value
    segment = b"XPAKPACK" + _number(len(index)) + _number(len(data)) + index + data + b"XPAKSTOP"
    return segment + _number(len(segment)) + b"STOP"


def xpak_bytes(spec: PackageSpec) -> bytes:
    image = image_tar(spec.entries, "./", root="./")
    return compress(image, spec.compression) + xpak_segment(spec.vdb())


def package_bytes(spec: PackageSpec) -> bytes:
    """Return the package as a file holds it."""
    return gpkg_bytes(spec) if spec.form == "gpkg" else xpak_bytes(spec)


def write_package(pkgdir: Path, spec: PackageSpec) -> Path:
    """Write the package where Portage would below ``pkgdir``."""
    path = pkgdir / spec.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(package_bytes(spec))
    return path


def index_block(spec: PackageSpec, data: bytes) -> dict[str, str]:
    """Return the keys that Portage writes into an index for this package."""
    stored = {key: value.decode("utf-8", "replace").strip() for key, value in spec.vdb().items()}
    block = {INDEX_NAMES.get(k, k): v for k, v in stored.items() if k in INDEX_KEYS and v}
    if block.get("SLOT") == "0":
        del block["SLOT"]
    return block | {
        "CPV": spec.cpv,
        "PATH": spec.path,
        "SIZE": str(len(data)),
        "MTIME": "1700000001",
        "MD5": hashlib.md5(data).hexdigest(),
        "SHA1": hashlib.sha1(data).hexdigest(),
    }


def index_bytes(
    blocks: Iterable[Mapping[str, str]], header: Mapping[str, str] | None = None
) -> bytes:
    """Return a Packages index: the header, then a block for each package."""
    listed = [dict(block) for block in blocks]
    top = {"PACKAGES": str(len(listed)), "TIMESTAMP": "1700000002", "VERSION": "0"}
    top.update(header or {})
    return "".join(
        "".join(f"{key}: {value}\n" for key, value in sorted(block.items())) + "\n"
        for block in [top, *listed]
    ).encode()


def write_binhost(
    pkgdir: Path, specs: Iterable[PackageSpec], *, header: Mapping[str, str] | None = None
) -> Path:
    """Write packages with a Packages and a Packages.gz index, and return ``pkgdir``."""
    pkgdir.mkdir(parents=True, exist_ok=True)
    blocks = [index_block(spec, write_package(pkgdir, spec).read_bytes()) for spec in specs]
    index = index_bytes(blocks, header)
    (pkgdir / "Packages").write_bytes(index)
    (pkgdir / "Packages.gz").write_bytes(gzip.compress(index, mtime=0))
    return pkgdir


def linked(*entries: Entry) -> tuple[Entry, ...]:
    """Return the entries as names of one inode."""
    token = min(entry.path for entry in entries)
    return tuple(replace(entry, hardlink=token) for entry in entries)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def name_of(pf: str) -> str:
    """Return PN of a PF: what is left of the last part that starts with a digit after "-"."""
    words = pf.split("-")
    if words[-1].startswith("r") and words[-1][1:].isdigit():
        words.pop()
    return "-".join(words[:-1])

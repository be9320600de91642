"""A discoverable disk image: EROFS, its verity hashes and their signature under one table.

The layout is what ``systemd-repart --make-ddi=sysext`` makes, but without its over-allocation.
Sources: the Discoverable Partitions Specification, repart.d(5) on Verity=.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.definition import Compression
from sysextlib.errors import ImageError, OutputError, VerifyError
from sysextlib.gentoo.arch import Arch
from sysextlib.image.erofs import ErofsOptions, write_erofs
from sysextlib.image.erofs_reader import Erofs
from sysextlib.image.gpt import (
    FIRST_SECTOR,
    READ_ONLY,
    SECTOR,
    Gpt,
    Partition,
    disk_size,
    read_gpt,
    render_gpt,
)
from sysextlib.image.limits import require_fitting
from sysextlib.image.signature import RootHashSignature, read_partition, signature_partition
from sysextlib.image.verity import (
    BLOCK,
    Superblock,
    hash_tree,
    read_superblock,
    render_superblock,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.image.keys import SigningKey
    from sysextlib.system.tools import Tools
    from sysextlib.tree import Tree

START = FIRST_SECTOR * SECTOR  # bytes before the file system
# partition types of a root file system, its hashes and their signature
TYPES = {
    Arch.AMD64: (
        UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
        UUID("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
        UUID("41092b05-9fc8-4523-994f-2def0408b176"),
    ),
    Arch.ARM64: (
        UUID("b921b045-1df0-41c3-af44-4c6f280d3fae"),
        UUID("df3300ce-d69f-4c92-978c-9bfb0f38d820"),
        UUID("6db69de6-29f4-4758-a7a5-962190f00ce3"),
    ),
}
ROLES = ("", "-verity", "-verity-sig")
OTHER_KINDS = (  # what a file that is no disk image may be, by its first bytes
    (0, b"hsqs", "a squashfs file system"),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS file system without partitions"),
    (0, b"\x1f\x8b", "compressed by gzip"),
    (0, b"BZh", "compressed by bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (0, b"CrAU", "an update payload"),
    (0, b"\x7fELF", "an ELF program"),
    (1080, b"\x53\xef", "an ext4 file system"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DdiFacts:
    """What was written.

    :param root_hash: of the verity tree, in lower-case hex.
    :param fingerprint: SHA-256 of the signing certificate's DER, in lower-case hex.
    """

    path: Path
    size: int
    sha256: str
    root_hash: str
    partitions: tuple[Partition, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ddi:
    """An image taken apart; that its parts agree is for verify.py to find out."""

    path: Path
    arch: Arch
    disk: UUID
    data: Partition
    hashes: Partition
    sign: Partition
    superblock: Superblock
    signature: RootHashSignature
    image: mmap.mmap

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Data, hashes and signature."""
        return (self.data, self.hashes, self.sign)

    @property
    def root_hash(self) -> bytes:
        """The root hash that the UUIDs of the first two partitions make up."""
        return self.data.uuid.bytes + self.hashes.uuid.bytes

    def view(self, partition: Partition) -> memoryview:
        """Return a partition's bytes."""
        return memoryview(self.image)[partition.offset : partition.offset + partition.size]

    def erofs(self) -> Erofs:
        """Open the file system; see ``Erofs`` for what it raises."""
        return Erofs(self.view(self.data))


def write_ddi(
    tree: Tree,
    out: Path,
    *,
    arch: Arch,
    seed: bytes,
    epoch: int,
    key: SigningKey,
    tools: Tools,
    compression: Compression = Compression.LZ4HC,
    mkerofs_opts: str = "",
    jobs: int = 2,
    scratch: Path | None = None,
) -> DdiFacts:
    """Write a signed image of the tree.

    Equal arguments give equal bytes; ``jobs``, ``out`` and ``scratch`` do not count.

    :param seed: digest of all that went into the tree; UUIDs and salt are derived from it.
    :param epoch: build time of the file system; entries keep their own mtimes.
    :param scratch: a folder as large as the tree's contents; default is a temporary one by ``out``.
    :raises ImageError: an entry that an image cannot hold.
    :raises OutputError: ``out`` cannot be written, or the disk is full.
    :raises ToolError: mkfs.erofs is absent, too old or failed.
    """
    require_fitting(tree)
    options = ErofsOptions(
        uuid=derive_uuid(seed, "file system"),
        epoch=epoch,
        compression=compression,
        mkerofs_opts=mkerofs_opts,
        jobs=jobs,
    )
    with _whole_or_none(out):
        with _scratch(scratch, out.parent) as folder:
            file_system = folder / f"{out.name}.erofs"
            try:
                write_erofs(tree, file_system, options, tools=tools, scratch=folder)
                root_hash, partitions = _complete(file_system, out, arch, seed, key)
            finally:
                file_system.unlink(missing_ok=True)
        with out.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return DdiFacts(
        path=out,
        size=out.stat().st_size,
        sha256=sha256,
        root_hash=root_hash.hex(),
        partitions=partitions,
        fingerprint=key.fingerprint,
    )


@contextlib.contextmanager
def _whole_or_none(out: Path) -> Iterator[None]:
    """Leave no half of an image behind a fault of the disk.

    :raises OutputError: it cannot be written.
    """
    try:
        out.unlink(missing_ok=True)
        yield
    except OSError as error:
        with contextlib.suppress(OSError):
            out.unlink(missing_ok=True)
        facts = {"file": out, "fault": error.strerror or error}
        raise OutputError("the image cannot be written", facts) from error


def read_ddi(path: Path) -> Ddi:
    """Take an image apart.

    :raises VerifyError: it cannot be read, or is not of our layout.
    """
    try:
        with path.open("rb") as stream:
            image = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise VerifyError(f"{path} cannot be read", {"fault": error.strerror}) from None
    except ValueError:
        raise VerifyError(f"{path} is empty") from None
    try:
        gpt = read_gpt(image)
        arch, found = _find_partitions(gpt)
        data, hashes, sign = found
        block = image[hashes.offset : hashes.offset + min(BLOCK, hashes.size)]
        text = image[sign.offset : sign.offset + min(sign.size, 1 << 20)]
        return Ddi(
            path=path,
            arch=arch,
            disk=gpt.disk,
            data=data,
            hashes=hashes,
            sign=sign,
            superblock=read_superblock(block),
            signature=read_partition(text),
            image=image,
        )
    except VerifyError as error:
        facts: dict[str, object] = {"file": path, **error.facts}
        for offset, magic, kind in OTHER_KINDS:
            if image[offset : offset + len(magic)] == magic:
                facts["looks like"] = kind
        raise VerifyError(error.brief, facts, error.hint) from None


def derive_uuid(seed: bytes, purpose: str) -> UUID:
    """Return the UUID of something in the image with this seed, shaped as version 4."""
    return UUID(bytes=_derive(seed, purpose)[:16], version=4)


def _derive(seed: bytes, purpose: str) -> bytes:
    return hashlib.sha256(f"build-sysext: {purpose}\0".encode() + seed).digest()


def _complete(
    file_system: Path, out: Path, arch: Arch, seed: bytes, key: SigningKey
) -> tuple[bytes, tuple[Partition, ...]]:
    """Write the file system and all that belongs around it; return root hash and partitions."""
    salt = _derive(seed, "verity salt")
    with file_system.open("rb") as source, out.open("wb") as stream:
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size = len(data)
            if Erofs(memoryview(data)).size != size:
                raise ImageError("mkfs.erofs left a file of an unexpected size", {"bytes": size})
            tree = hash_tree(data, salt)
        head = Superblock(derive_uuid(seed, "verity"), salt, tree.data_blocks)
        hashes = render_superblock(head) + tree.blocks
        sign = signature_partition(tree.root_hash, key)
        uuids = (
            UUID(bytes=tree.root_hash[:16]),
            UUID(bytes=tree.root_hash[16:]),
            derive_uuid(seed, "signature partition"),
        )
        partitions = _lay_out(arch, uuids, (size, len(hashes), len(sign)))
        total = disk_size(partitions[-1].offset + partitions[-1].size)
        begin, end = render_gpt(derive_uuid(seed, "disk"), partitions, total)
        stream.write(begin.ljust(START, b"\0"))
        stream.flush()
        _copy(source.fileno(), stream.fileno(), size)
        stream.seek(partitions[1].offset)
        stream.write(hashes + sign)
        stream.seek(total - len(end))
        stream.write(end)
    return tree.root_hash, partitions


def _copy(source: int, out: int, size: int) -> None:
    """Copy ``size`` bytes from the start of one file to the place of another, in the kernel."""
    os.lseek(out, START, os.SEEK_SET)
    done = 0
    while done < size:
        done += os.sendfile(out, source, done, size - done) or _cut_short()


def _cut_short() -> int:
    raise ImageError("the file system was cut short while it was copied")


def _lay_out(
    arch: Arch, uuids: tuple[UUID, ...], sizes: tuple[int, int, int]
) -> tuple[Partition, ...]:
    """Return the three partitions, one right after the other; all sizes are multiples of 4096."""
    partitions = []
    sector = FIRST_SECTOR
    for role, kind, uuid, size in zip(ROLES, TYPES[arch], uuids, sizes, strict=True):
        end = sector + size // SECTOR
        partitions.append(
            Partition(
                name=f"root-{arch.systemd_name}{role}",
                type=kind,
                uuid=uuid,
                first=sector,
                last=end - 1,
                # as repart sets it: a signature is no file system to be mounted
                attributes=0 if role == ROLES[2] else READ_ONLY,
            )
        )
        sector = end
    return tuple(partitions)


def _find_partitions(gpt: Gpt) -> tuple[Arch, tuple[Partition, Partition, Partition]]:
    """Return the one root partition and its two companions."""
    for arch, types in TYPES.items():
        found = [p for kind in types for p in gpt.partitions if p.type == kind]
        if len(found) == len(types) and len({p.type for p in found}) == len(types):
            return arch, (found[0], found[1], found[2])
    names = ", ".join(repr(p.name) for p in gpt.partitions) or "(none)"
    hint = "an extension has one root partition, its verity hashes and their signature"
    raise VerifyError("it is no signed extension image", {"partitions": names}, hint)


@contextlib.contextmanager
def _scratch(given: Path | None, parent: Path) -> Iterator[Path]:
    if given is not None:
        yield given
    else:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".image-") as name:
            yield Path(name)

"""Extension images of every kind that systemd meets, and hosts that they may fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.definition import Compression
from sysextlib.explain.host import HostFacts, TrustedCertificate
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import read_ddi, write_ddi
from sysextlib.image.gpt import FIRST_SECTOR, SECTOR, Partition, disk_size, render_gpt
from sysextlib.tree import Tree, file_entry
from tests.builders.base import lay_out, write_squashfs
from tests.builders.keys import signing_key
from tests.builders.tools import image_tools
from tests.builders.tree import EPOCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sysextlib.image.ddi import DdiFacts
    from sysextlib.image.keys import SigningKey
    from sysextlib.system.tools import Tools

RELEASE = {"ID": "demo", "VERSION_ID": "1", "ARCHITECTURE": "x86-64"}


def host(*keys: SigningKey, **os_release: str) -> HostFacts:
    """Return a system of ID demo, VERSION_ID 1, that trusts these keys."""
    return HostFacts(
        name="the host",
        os_release={"ID": "demo", "VERSION_ID": "1", **os_release},
        arch="x86-64",
        certificates=tuple(
            TrustedCertificate(path=f"/etc/verity.d/{at}.crt", certificate=key.certificate)
            for at, key in enumerate(keys)
        ),
    )


def extension(
    name: str = "x",
    release: Mapping[str, str] | None = None,
    *,
    folder: str = "usr/lib",
    xattrs: tuple[tuple[str, bytes], ...] = (),
    more: Mapping[str, bytes] | None = None,
) -> Tree:
    """Return the tree of an extension; ``folder`` "etc" makes a confext of it."""
    fields = RELEASE if release is None else release
    text = "".join(f"{key}={value}\n" for key, value in fields.items())
    path = f"{folder}/extension-release.d/extension-release.{name}"
    stamp = replace(file_entry(path, text.encode(), mtime=EPOCH), xattrs=xattrs)
    top = "etc" if folder == "etc" else "usr/share"
    payload = {f"{top}/{name}/data": bytes(range(256)) * 800, **(more or {})}
    return Tree([stamp, *(file_entry(path, data, mtime=EPOCH) for path, data in payload.items())])


def signed(out: Path, tree: Tree, key: SigningKey | None = None) -> Path:
    """Write a signed image, as a build does."""
    return write_image(tree, out, compression=Compression.LZ4HC, key=key).path


def write_image(
    tree: Tree,
    out: Path,
    tools: Tools | None = None,
    *,
    compression: Compression = Compression.LZ4,
    key: SigningKey | None = None,
    arch: Arch = Arch.AMD64,
    **more: object,
) -> DdiFacts:
    """Write a signed image of these arguments, the others always the same."""
    return write_ddi(
        tree,
        out,
        arch=arch,
        seed=b"digest of an order",
        epoch=EPOCH,
        key=key or signing_key(),
        tools=tools or image_tools("mkfs.erofs"),
        compression=compression,
        **more,  # type: ignore[arg-type] # those of write_ddi
    )


def file_system(out: Path, tree: Tree, *, squashfs: bool = False) -> Path:
    """Write a file system without a partition table."""
    if squashfs:
        return write_squashfs(tree, out, "-all-root")
    whole = read_ddi(signed(out.with_suffix(".whole"), tree))
    out.write_bytes(whole.view(whole.data))
    return out


def folder(out: Path, tree: Tree) -> Path:
    """Lay a tree out."""
    lay_out(tree, out)
    return out


def unsigned(out: Path, tree: Tree) -> Path:
    """Write an image with verity hashes and no signature."""
    whole = read_ddi(signed(out.with_suffix(".whole"), tree))
    parts = [(part.type, part.attributes, bytes(whole.view(part))) for part in whole.partitions]
    return partitioned(out, parts[:2], [part.uuid for part in whole.partitions])


def partitioned(
    out: Path, parts: Sequence[tuple[UUID, int, bytes]], uuids: Sequence[UUID] = ()
) -> Path:
    """Write a partition table over contents: type, attributes, bytes."""
    entries, at = [], FIRST_SECTOR
    body = bytearray()
    for number, (kind, attributes, data) in enumerate(parts):
        size = len(data) + -len(data) % 4096
        body += data.ljust(size, b"\0")
        end = at + size // SECTOR
        uuid = uuids[number] if uuids else UUID(int=number + 1)
        entries.append(
            Partition(
                name=f"part{number}", type=kind, uuid=uuid, first=at, last=end - 1,
                attributes=attributes,
            )
        )  # fmt: skip
        at = end
    total = disk_size(at * SECTOR)
    begin, end_bytes = render_gpt(UUID(int=99), entries, total)
    image = begin.ljust(FIRST_SECTOR * SECTOR, b"\0") + bytes(body)
    out.write_bytes(image.ljust(total - len(end_bytes), b"\0") + end_bytes)
    return out


def flipped(path: Path, offset: int) -> Path:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    return path

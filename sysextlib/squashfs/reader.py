"""Read a squashfs image without mounting it, without root and without an external program.

Why not unsquashfs: the 4.5.1 of Debian 12 shows no xattrs at all to a user who is not root, its
listing rounds mtimes to minutes and does not quote line feeds in names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sysextlib.errors import BaseError
from sysextlib.squashfs.blocks import METADATA_BLOCK, NONE64, Blocks
from sysextlib.tree import Content, Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NONE32 = 0xFFFFFFFF  # "no fragment", "no xattrs"
READ_LIMIT = 64 << 20  # bytes that one read() may give
LISTING_LIMIT = 64 << 20  # bytes of one directory's listing
DEPTH_LIMIT = 128
NAME_LIMIT = 256
XATTR_LIMIT = 1 << 20
XATTR_PREFIXES = {0: "user.", 1: "trusted.", 2: "security."}
PERMISSIONS = 0o7777

_HEADER = struct.Struct("<HHHHII")
_KINDS = {
    1: Kind.DIRECTORY,
    2: Kind.FILE,
    3: Kind.SYMLINK,
    4: Kind.BLOCKDEV,
    5: Kind.CHARDEV,
    6: Kind.FIFO,
}
_SOCKET = 7  # no package and no image has one; left out of listings
_EXTENDED = 7  # added to a basic type's number to give its extended one


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode as stored; ``kind`` None is a socket.

    :param at: directory listing's place for directories: block, offset, bytes.
    :param blocks: stored size of each data block, bit 24 set when it is not compressed.
    """

    number: int
    kind: Kind | None
    mode: int
    uid: int
    gid: int
    mtime: int
    links: int = 1
    size: int = 0
    at: tuple[int, int] = (0, 0)
    start: int = 0
    blocks: tuple[int, ...] = ()
    fragment: int = NONE32
    fragment_offset: int = 0
    target: str = ""
    device: tuple[int, int] | None = None
    xattr: int = NONE32


class Squashfs:
    """An open squashfs image. Directories are parsed when they are first looked into."""

    def __init__(self, image: Path, what: str = "base image") -> None:
        """Open ``image``; see ``Blocks`` for what is refused.

        :param what: what errors call the image.
        :raises BaseError: it is no image that can be read.
        """
        self.image = image
        self.what = what
        self._blocks = Blocks(image, what)
        self._folders: dict[str, Inode | None] = {}
        self._listings: dict[int, dict[str, int]] = {}
        self._xattrs_read: dict[int, tuple[tuple[str, bytes], ...]] = {NONE32: ()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._blocks.close()

    def get(self, path: str) -> Entry | None:
        """Return the entry at ``path``, whose leading parts must be real directories."""
        inode = self._find(path)
        return None if inode is None or inode.kind is None else self._entry(path, inode)

    def walk(self, folder: str = "") -> Iterator[Entry]:
        """Yield what lies below ``folder`` ("" is the root), parents first, names in byte order.

        :raises BaseError: a directory occurs twice, or lies absurdly deep.
        """
        top = self._find(folder)
        if top is None or top.kind is not Kind.DIRECTORY:
            return
        seen = {top.number}
        stack = [(folder, top)]
        while stack:
            path, inode = stack.pop()
            if inode is not top and inode.kind is not None:
                yield self._entry(path, inode)
            if inode.kind is not Kind.DIRECTORY:
                continue
            children = []
            for name, reference in sorted(self._names(inode).items(), reverse=True):
                child = self._inode(reference)
                if child.kind is Kind.DIRECTORY:
                    if child.number in seen or path.count("/") > DEPTH_LIMIT:
                        raise self._blocks.damaged(f"directory {path}/{name} lies within itself")
                    seen.add(child.number)
                children.append((f"{path}/{name}" if path else name, child))
            stack += children

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted; none when it is no directory."""
        inode = self._find(folder)
        if inode is None or inode.kind is not Kind.DIRECTORY:
            return ()
        return tuple(sorted(self._names(inode)))

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a regular file in order, a block at a time.

        :raises BaseError: there is no such file, or its data is damaged.
        """
        inode = self._find(path)
        if inode is None or inode.kind is not Kind.FILE:
            raise BaseError(f"{self.what} has no file {path}", {"file": self.image})
        position, left = inode.start, inode.size
        for stored in inode.blocks:
            size = min(self._blocks.block_size, left)
            yield self._blocks.data(position, stored, size) if stored else bytes(size)
            position += stored & 0xFFFFFF
            left -= size
        if left:
            block = self._blocks.fragment(inode.fragment)
            tail = block[inode.fragment_offset : inode.fragment_offset + left]
            if len(tail) != left:
                raise self._blocks.damaged(f"{path} ends outside its fragment")
            yield tail

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """Return the bytes of a regular file.

        :raises BaseError: there is no such file, it is larger than ``limit``, or damaged.
        """
        entry = self.get(path)
        if entry is not None and entry.size > limit:
            raise BaseError(
                f"{self.what} holds an unreasonably large {path}",
                {"file": self.image, "size": entry.size, "limit": limit},
            )
        return b"".join(self.chunks(path))

    def _find(self, path: str) -> Inode | None:
        if not path:
            return self._folder("")
        parent, _, name = path.rpartition("/")
        folder = self._folder(parent)
        reference = None if folder is None else self._names(folder).get(name)
        return None if reference is None else self._inode(reference)

    def _folder(self, path: str) -> Inode | None:
        """Return the directory at ``path``, remembered: its neighbours are asked for next."""
        if path not in self._folders:
            found = self._find(path) if path else self._inode(self._blocks.root)
            is_folder = found is not None and found.kind is Kind.DIRECTORY
            self._folders[path] = found if is_folder else None
        return self._folders[path]

    def _names(self, directory: Inode) -> dict[str, int]:
        """Return the names in a directory with a reference to the inode of each."""
        known = self._listings.get(directory.number)
        if known is not None:
            return known
        names: dict[str, int] = {}
        size = directory.size - 3  # "." and ".." count as three bytes
        if size > LISTING_LIMIT:
            raise self._blocks.damaged(f"a directory listing claims {size} bytes")
        if size > 0:
            block, offset = directory.at
            raw = self._blocks.metadata(self._blocks.directory_table + block, offset, size)
            try:
                _parse_listing(raw, names)
            except (struct.error, ValueError) as error:
                raise self._blocks.damaged(f"a directory listing is malformed: {error}") from error
        self._listings[directory.number] = names
        return names

    def _inode(self, reference: int) -> Inode:
        at, offset = self._blocks.inode_table + (reference >> 16), reference & 0xFFFF

        def take(layout: str, skip: int = 16) -> tuple[int, ...]:
            size = struct.calcsize(layout)
            return struct.unpack(layout, self._blocks.metadata(at, offset + skip, size))

        number, mode, uid, gid, mtime, serial = _HEADER.unpack(
            self._blocks.metadata(at, offset, _HEADER.size)
        )
        extended = number > _EXTENDED
        basic = number - _EXTENDED if extended else number
        if basic not in _KINDS and basic != _SOCKET:
            raise self._blocks.damaged(f"inode {serial} has the unknown type {number}")
        if max(uid, gid) >= len(self._blocks.owners):
            raise self._blocks.damaged(f"inode {serial} has an owner that the image does not list")
        kind = _KINDS.get(basic)
        common = (
            serial,
            kind,
            mode & PERMISSIONS,
            self._blocks.owners[uid],
            self._blocks.owners[gid],
            mtime,
        )
        if kind is Kind.DIRECTORY:
            return self._directory_inode(common, take, extended=extended)
        if kind is Kind.FILE:
            return self._file_inode(common, take, extended=extended)
        if kind is Kind.SYMLINK:
            links, size = take("<II")
            if size > 65535:
                raise self._blocks.damaged(f"inode {serial} is a symlink of {size} bytes")
            target = self._blocks.metadata(at, offset + 24, size).decode(errors="surrogateescape")
            xattr = take("<I", 24 + size)[0] if extended else NONE32
            return Inode(*common, links=links, size=size, target=target, xattr=xattr)
        if kind in {Kind.BLOCKDEV, Kind.CHARDEV}:
            links, device, xattr = take("<III") if extended else (*take("<II"), NONE32)
            pair = (device & 0xFFF00) >> 8, device & 0xFF | (device >> 12) & 0xFFF00
            return Inode(*common, links=links, device=pair, xattr=xattr)
        links, xattr = take("<II") if extended else (*take("<I"), NONE32)
        return Inode(*common, links=links, xattr=xattr)

    def _directory_inode(
        self,
        common: tuple[int, Kind | None, int, int, int, int],
        take: Callable[[str], tuple[int, ...]],
        *,
        extended: bool,
    ) -> Inode:
        if extended:
            links, size, block, _, _, offset, xattr = take("<IIIIHHI")
        else:
            block, links, size, offset, _ = take("<IIHHI")
            xattr = NONE32
        return Inode(*common, links=links, size=size, at=(block, offset), xattr=xattr)

    def _file_inode(
        self,
        common: tuple[int, Kind | None, int, int, int, int],
        take: Callable[..., tuple[int, ...]],
        *,
        extended: bool,
    ) -> Inode:
        if extended:
            start, size, _, links, fragment, offset, xattr = take("<QQQIIII")
        else:
            start, fragment, offset, size = take("<IIII")
            links, xattr = 1, NONE32
        full, rest = divmod(size, self._blocks.block_size)
        count = full + (rest > 0 and fragment == NONE32)
        if count * 4 > self._blocks.size * (METADATA_BLOCK // 2):
            raise self._blocks.damaged(f"inode {common[0]} claims a size of {size} bytes")
        blocks = take(f"<{count}I", 16 + (40 if extended else 16)) if count else ()
        return Inode(
            *common,
            links=links,
            size=size,
            start=start,
            blocks=blocks,
            fragment=fragment,
            fragment_offset=offset,
            xattr=xattr,
        )

    def _entry(self, path: str, inode: Inode) -> Entry:
        """Return an inode as an entry. A file's content states its size, and no digest."""
        assert inode.kind is not None
        is_file = inode.kind is Kind.FILE
        return Entry(
            path=path,
            kind=inode.kind,
            mode=inode.mode,
            uid=inode.uid,
            gid=inode.gid,
            mtime=inode.mtime,
            target=inode.target,
            content=Content(inode.size, "") if is_file else None,
            device=inode.device,
            xattrs=self._xattrs(inode.xattr),
            hardlink=f"inode {inode.number}" if is_file and inode.links > 1 else "",
            origin="base",
        )

    def _xattrs(self, number: int) -> tuple[tuple[str, bytes], ...]:
        known = self._xattrs_read.get(number)
        if known is not None:
            return known
        if self._blocks.xattr_table == NONE64:
            raise self._blocks.damaged("an inode has xattrs, the image has no table of them")
        start, count, _ = struct.unpack("<QII", self._blocks.pread(self._blocks.xattr_table, 16))
        if number >= count:
            raise self._blocks.damaged(f"there is no xattr set {number}")
        pointer = self._blocks.pread(self._blocks.xattr_table + 16 + number // 512 * 8, 8)
        raw = self._blocks.metadata(int.from_bytes(pointer, "little"), number % 512 * 16, 16)
        reference, pairs, _ = struct.unpack("<QII", raw)
        if pairs > XATTR_LIMIT // 8:
            raise self._blocks.damaged(f"xattr set {number} claims {pairs} attributes")
        found = dict(self._xattr_pairs(start, reference, pairs))
        self._xattrs_read[number] = tuple(sorted(found.items()))
        return self._xattrs_read[number]

    def _xattr_pairs(self, start: int, reference: int, count: int) -> Iterator[tuple[str, bytes]]:
        at, offset = start + (reference >> 16), reference & 0xFFFF
        for _ in range(count):
            kind, size = struct.unpack("<HH", self._blocks.metadata(at, offset, 4))
            prefix = XATTR_PREFIXES.get(kind & 0xFF)
            if prefix is None:
                raise self._blocks.damaged(f"an xattr has the unknown prefix {kind & 0xFF}")
            name = self._blocks.metadata(at, offset + 4, size).decode(errors="surrogateescape")
            offset += 4 + size
            length = int.from_bytes(self._blocks.metadata(at, offset, 4), "little")
            if length > XATTR_LIMIT:
                raise self._blocks.damaged(f"xattr {prefix}{name} claims {length} bytes")
            value = self._blocks.metadata(at, offset + 4, length)
            offset += 4 + length
            if kind & 0x100:  # the value is kept once, elsewhere, and this refers to it
                value = self._far_value(start, int.from_bytes(value, "little"))
            yield prefix + name, value

    def _far_value(self, start: int, reference: int) -> bytes:
        at, offset = start + (reference >> 16), reference & 0xFFFF
        length = int.from_bytes(self._blocks.metadata(at, offset, 4), "little")
        if length > XATTR_LIMIT:
            raise self._blocks.damaged(f"an xattr claims {length} bytes")
        return self._blocks.metadata(at, offset + 4, length)


def _parse_listing(raw: bytes, names: dict[str, int]) -> None:
    """Add the names of one directory to ``names``.

    :raises ValueError: a name that no directory can hold, or one that occurs twice.
    """
    position = 0
    while position < len(raw):
        count, start, _ = struct.unpack_from("<III", raw, position)
        position += 12
        if count >= 256:
            raise ValueError(f"{count + 1} names under one header")
        for _ in range(count + 1):
            offset, _, _, size = struct.unpack_from("<HhHH", raw, position)
            name = raw[position + 8 : position + 9 + size]
            position += 9 + size
            if position > len(raw) or size >= NAME_LIMIT:
                raise ValueError("a name is too long")
            if b"/" in name or b"\0" in name or name in {b".", b".."}:
                raise ValueError(f"a name is {name!r}")
            text = name.decode(errors="surrogateescape")
            if text in names:
                raise ValueError(f"{text!r} occurs twice")
            names[text] = (start << 16) | offset

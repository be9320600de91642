"""Reads what an EROFS file system holds: our own path, beside the tools that wrote it.

Source of the layout: the kernel's Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h.
The bytes may be hostile: every offset is checked, a directory is entered once, and the number and
size of what is read are bounded. Contents are read where they lie uncompressed; compressed ones
are left to fsck.erofs(1).
"""

from __future__ import annotations

import hashlib
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.errors import VerifyError
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPER_OFFSET = 1024
MAGIC = 0xE0F5E1E2
# magic, CRC, compatible features, block bits, extra slots, root nid, inodes, epoch, nanoseconds,
# blocks, metadata block, shared xattr block, UUID, volume name, incompatible features, algorithms,
# devices, device slot, directory block bits
SUPER = struct.Struct("<IIIBBHQQIIII16s16sIHHHB")
COMPACT = struct.Struct("<HHHHIIIIHHI")
EXTENDED = struct.Struct("<HHHHQIIIIQII16x")
DIRENT = struct.Struct("<QHBB")
XATTR = struct.Struct("<BBH")
INODE_SLOT = 32  # bytes; an inode's number counts them from the metadata block on
# 0padding, compression settings, chunks, devices, ztailpacking, fragments: what we may meet
KNOWN_FEATURES = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20
PLAIN, COMPRESSED_FULL, INLINE, COMPRESSED_COMPACT, CHUNKED = range(5)
PREFIXES = {
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    6: "security.",
}
KINDS = {
    stat.S_IFREG: (Kind.FILE, 1),
    stat.S_IFDIR: (Kind.DIRECTORY, 2),
    stat.S_IFCHR: (Kind.CHARDEV, 3),
    stat.S_IFBLK: (Kind.BLOCKDEV, 4),
    stat.S_IFIFO: (Kind.FIFO, 5),
    stat.S_IFLNK: (Kind.SYMLINK, 7),
}
MOST_ENTRIES = 1_000_000
MOST_TEXT = 1 << 29  # bytes of all paths, targets and attributes; hard links repeat an inode's
DEEPEST = 200  # directories within each other
LONGEST_LINK = 4095  # bytes, PATH_MAX
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """One path of the file system; "" is its root. Fields as in ``tree.Entry``.

    :param nid: the inode's number, which the kernel shows as st_ino.
    :param extents: where an uncompressed file's bytes lie, as offset and length; None when they
        are compressed.
    """

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    nlink: int
    nid: int
    target: str = ""
    device: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    extents: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class _Inode:
    nid: int
    layout: int
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    nlink: int
    union: int  # first block, or device
    body: int  # offset of what follows the inode and its xattrs
    xattrs: tuple[tuple[str, bytes], ...]


class Erofs:
    """An opened file system.

    :raises VerifyError: by every method: it is damaged, or of a kind that we do not write.
    """

    def __init__(self, data: memoryview) -> None:
        """Read the superblock.

        :param data: the file system, which may be followed by other bytes.
        """
        self._data = data
        if data.nbytes < SUPER_OFFSET + 128:
            raise VerifyError("the file system is cut short", {"size": f"{data.nbytes} bytes"})
        found = SUPER.unpack_from(data, SUPER_OFFSET)
        if found[0] != MAGIC:
            raise VerifyError("the data partition holds no EROFS file system")
        self._block = 1 << found[3]
        self._root, self._epoch, blocks = found[5], found[7], found[9]
        self._meta, self._shared = found[10] * self._block, found[11] * self._block
        self.uuid = UUID(bytes=found[12])
        self.size = blocks * self._block
        features, self._dirblock = found[14], self._block << found[18]
        if not 9 <= found[3] <= 16 or found[18] > 4 or features & ~KNOWN_FEATURES:
            facts = {"block size": f"2^{found[3]}", "features": f"{features:#x}"}
            raise VerifyError("the file system uses features that we do not know", facts)
        if not SUPER_OFFSET + 128 <= self.size <= data.nbytes:
            facts = {"states": f"{self.size} bytes", "has": f"{data.nbytes} bytes"}
            raise VerifyError("the file system does not fit its partition", facts)

    def entries(self) -> tuple[ImageEntry, ...]:
        """Return all paths, the root first, in the order of their parts."""
        found: list[ImageEntry] = []
        entered: set[int] = set()
        text = 0
        root = self._inode(self._root)
        if not stat.S_ISDIR(root.mode):
            raise VerifyError("the root of the file system is no directory")
        waiting = [("", root)]
        while waiting:
            path, inode = waiting.pop()
            if inode.nid in entered or path.count("/") > DEEPEST:
                raise _damaged(f"directory {path!r} lies within itself or too deep")
            entered.add(inode.nid)
            found.append(self._entry(path, inode))
            for name, nid, kind in self._children(path, inode):
                below = f"{path}/{name}" if path else name
                child = self._inode(nid)
                entry = self._entry(below, child)
                if KINDS[stat.S_IFMT(child.mode)][1] != kind:
                    raise _damaged(f"{below!r} is not of the type that its directory states")
                if entry.kind is Kind.DIRECTORY:
                    waiting.append((below, child))
                else:
                    found.append(entry)
                if len(found) + len(waiting) > MOST_ENTRIES:
                    raise _damaged(f"it has more than {MOST_ENTRIES} entries")
                text += _text_of(entry)
                if text > MOST_TEXT:
                    raise _damaged(f"its names and attributes have more than {MOST_TEXT} bytes")
        return tuple(sorted(found, key=lambda e: e.path.split("/") if e.path else []))

    def sha256(self, entry: ImageEntry) -> str:
        """Return the digest of an uncompressed file's bytes."""
        assert entry.extents is not None
        sha = hashlib.sha256()
        for offset, length in entry.extents:
            sha.update(self._slice(offset, length))
        return sha.hexdigest()

    def read(self, entry: ImageEntry, limit: int = 1 << 20) -> bytes:
        """Return an uncompressed file's first ``limit`` bytes."""
        assert entry.extents is not None
        return b"".join(bytes(self._slice(*extent)) for extent in entry.extents)[:limit]

    def _entry(self, path: str, inode: _Inode) -> ImageEntry:
        kind = KINDS[stat.S_IFMT(inode.mode)][0]
        target, device, extents = "", None, None
        if kind is Kind.SYMLINK:
            if inode.size > LONGEST_LINK:
                raise _damaged(f"symlink {path!r} points to {inode.size} bytes of text")
            target = self._bytes(path, inode).decode("utf-8", "surrogateescape")
        elif kind is Kind.FILE:
            extents = self._extents(inode)
        elif kind in {Kind.CHARDEV, Kind.BLOCKDEV}:
            device = (inode.union >> 8 & 0xFFF, inode.union & 0xFF | inode.union >> 12 & 0xFFF00)
        return ImageEntry(
            path=path,
            kind=kind,
            mode=stat.S_IMODE(inode.mode),
            uid=inode.uid,
            gid=inode.gid,
            mtime=inode.mtime,
            size=inode.size if kind in {Kind.FILE, Kind.SYMLINK} else 0,
            nlink=inode.nlink,
            nid=inode.nid,
            target=target,
            device=device,
            xattrs=inode.xattrs,
            extents=extents,
        )

    def _inode(self, nid: int) -> _Inode:
        at = self._meta + nid * INODE_SLOT
        head = self._slice(at, COMPACT.size)
        form = head[0] | head[1] << 8
        layout = form >> 1 & 7
        if form & 1:
            self._slice(at, EXTENDED.size)
            _, icount, mode, _, size, union, _, uid, gid, mtime, _, nlink = EXTENDED.unpack_from(
                self._data, at
            )
            body = at + EXTENDED.size
        else:
            _, icount, mode, nlink, size, mtime, union, _, uid, gid, _ = COMPACT.unpack(head)
            mtime += self._epoch
            body = at + COMPACT.size
        if layout > CHUNKED or stat.S_IFMT(mode) not in KINDS or form >> 4:
            raise _damaged(f"inode {nid} is of no known form")
        xattrs = self._xattrs(body, icount) if icount else ()
        if icount:
            body += 12 + 4 * (icount - 1)
        return _Inode(nid, layout, mode, uid, gid, mtime, size, nlink, union, body, xattrs)

    def _xattrs(self, at: int, icount: int) -> tuple[tuple[str, bytes], ...]:
        """Read a header, the numbers of shared attributes and then those of this inode alone."""
        size = 12 + 4 * (icount - 1)
        body = bytes(self._slice(at, size))
        count = body[4]
        if 12 + 4 * count > size:
            raise _damaged("an inode shares more attributes than it has room for")
        found = []
        for (number,) in struct.iter_unpack("<I", body[12 : 12 + 4 * count]):
            found.append(self._xattr(self._shared + 4 * number)[0])
        place, end = at + 12 + 4 * count, at + size
        while place < end:
            attribute, length = self._xattr(place)
            found.append(attribute)
            place += length
        if place != end or len({name for name, _ in found}) != len(found):
            raise _damaged("an inode's attributes leave their room, or one occurs twice")
        return tuple(sorted(found))

    def _xattr(self, at: int) -> tuple[tuple[str, bytes], int]:
        name_size, prefix, value_size = XATTR.unpack(self._slice(at, XATTR.size))
        if prefix not in PREFIXES:
            raise _damaged(f"an extended attribute has the unknown prefix {prefix}")
        data = bytes(self._slice(at + XATTR.size, name_size + value_size))
        name = PREFIXES[prefix] + data[:name_size].decode("utf-8", "surrogateescape")
        return (name, data[name_size:]), -(-(XATTR.size + len(data)) // 4) * 4

    def _extents(self, inode: _Inode) -> tuple[tuple[int, int], ...] | None:
        """Return where an inode's bytes lie; None when they are compressed or in chunks."""
        if inode.layout not in {PLAIN, INLINE}:
            return None
        if not inode.size:
            return ()
        blocks = -(-inode.size // self._block)
        if inode.layout == PLAIN:
            return ((inode.union * self._block, inode.size),)
        whole = (blocks - 1) * self._block
        tail = inode.size - whole
        if inode.body // self._block != (inode.body + tail - 1) // self._block:
            raise _damaged(f"the end of inode {inode.nid} crosses a block")
        head = ((inode.union * self._block, whole),) if whole else ()
        return (*head, (inode.body, tail))

    def _bytes(self, path: str, inode: _Inode) -> bytes:
        extents = self._extents(inode)
        if extents is None:
            raise _damaged(f"{path!r} is compressed, which only files may be")
        return b"".join(bytes(self._slice(*extent)) for extent in extents)

    def _children(self, path: str, inode: _Inode) -> Iterator[tuple[str, int, int]]:
        """Yield name, inode number and type of what a directory holds, without "." and ".."."""
        if inode.size > self._data.nbytes:
            raise _damaged(f"directory {path!r} is larger than the file system")
        data = self._bytes(path, inode)
        before = b""
        for start in range(0, len(data), self._dirblock):
            block = data[start : start + self._dirblock]
            for name, nid, kind in _dirents(block):
                if name <= before:
                    raise _damaged(f"the names in directory {path!r} are not in order")
                before = name
                if name in {b".", b".."}:
                    continue
                if b"/" in name or len(name) > LONGEST_NAME:
                    raise _damaged(f"directory {path!r} holds a name that cannot be: {name!r}")
                yield name.decode("utf-8", "surrogateescape"), nid, kind

    def _slice(self, offset: int, length: int) -> memoryview:
        if not 0 <= offset <= offset + length <= self.size:
            raise _damaged(f"bytes {offset} to {offset + length} lie outside of it")
        return self._data[offset : offset + length]


def _text_of(entry: ImageEntry) -> int:
    """Return about how much memory the parts of an entry take that can be long."""
    attributes = sum(len(name) + len(value) for name, value in entry.xattrs)
    return len(entry.path) + len(entry.target) + attributes


def _dirents(block: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Take a directory block apart: fixed records first, whose names follow without gaps."""
    if len(block) < DIRENT.size:
        raise _damaged("a directory is cut short")
    first = DIRENT.unpack_from(block)[1]
    if first % DIRENT.size or not DIRENT.size <= first <= len(block):
        raise _damaged("a directory's first name lies in no possible place")
    records = list(DIRENT.iter_unpack(block[:first]))
    ends = [record[1] for record in records[1:]] + [len(block)]
    for at, ((nid, start, kind, _), end) in enumerate(zip(records, ends, strict=True)):
        if not first <= start < end <= len(block):
            raise _damaged("a directory's names overlap")
        name = block[start:end]
        if at == len(records) - 1:
            name = name.partition(b"\0")[0]
        if not name or b"\0" in name:
            raise _damaged("a directory holds an empty name or one with a NUL byte")
        yield name, nid, kind


def _damaged(fault: str) -> VerifyError:
    return VerifyError("the file system is damaged", {"fault": fault})

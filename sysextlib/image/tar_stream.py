"""A Tree as the PAX archive that ``mkfs.erofs --tar=f`` reads.

Formats: POSIX.1-2001 pax(1), "ustar Interchange Format" and "pax Extended Header"; extended
attributes travel as ``SCHILY.xattr.NAME`` records with the value's own bytes.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sysextlib.errors import ImageError
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sysextlib.tree import Content, Entry, Tree

BLOCK = 512
NAME_SIZE = 100  # bytes of the ustar fields name and linkname
OCTAL_7, OCTAL_11 = 8**7 - 1, 8**11 - 1  # the greatest numbers of the ustar fields
BATCH = 1 << 18  # bytes gathered before they are written
COPIED = 1 << 15  # contents up to this size join the batch, greater ones go by sendfile(2)
OPEN_SPOOLS = 32
HARD_LINK = b"1"
TYPES = {
    Kind.FILE: b"0",
    Kind.SYMLINK: b"2",
    Kind.CHARDEV: b"3",
    Kind.BLOCKDEV: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}


def write_tar(tree: Tree, descriptor: int, *, epoch: int) -> None:
    """Write the tree to a pipe or file, in its own order, after a root of 0755 root:root.

    :param epoch: mtime of the root, in seconds since 1970.
    :raises ImageError: an entry that the format cannot carry, or whose spool file was cut short.
    """
    with ExitStack() as stack:
        sink = _Sink(descriptor, stack)
        sink.put(_ustar(b"./", b"5", mode=0o755, mtime=epoch))
        first: dict[str, str] = {}
        for entry in tree:
            link = first.setdefault(entry.hardlink, entry.path) if entry.hardlink else entry.path
            if link != entry.path:
                sink.put(entry_header(entry, link_to=link))
                continue
            sink.put(entry_header(entry))
            if entry.content is not None and entry.kind is Kind.FILE:
                sink.put_content(entry.content)
        sink.put(bytes(2 * BLOCK))
        sink.flush()


def entry_header(entry: Entry, *, link_to: str = "") -> bytes:
    """Return the blocks that stand before an entry's content.

    :param link_to: the path, earlier in the archive, whose inode this entry shares.
    """
    name, target = _encoded(entry.path), _encoded(link_to or entry.target)
    size = _size(entry, link_to)
    header = _ustar(
        name[:NAME_SIZE],
        HARD_LINK if link_to else TYPES[entry.kind],
        mode=entry.mode,
        uid=min(entry.uid, OCTAL_7),
        gid=min(entry.gid, OCTAL_7),
        size=min(size, OCTAL_11),
        mtime=min(entry.mtime, OCTAL_11),
        target=target[:NAME_SIZE],
        device=entry.device or (0, 0),
    )
    return _pax(pax_data(entry, link_to=link_to)) + header


def pax_data(entry: Entry, *, link_to: str = "") -> bytes:
    """Return the records of an entry's extended header: what the ustar fields cannot hold."""
    name, target = _encoded(entry.path), _encoded(link_to or entry.target)
    records: list[tuple[bytes, bytes]] = []
    if len(name) > NAME_SIZE:
        records.append((b"path", name))
    if len(target) > NAME_SIZE:
        records.append((b"linkpath", target))
    numbers = ((b"size", _size(entry, link_to), OCTAL_11), (b"mtime", entry.mtime, OCTAL_11))
    for key, value, most in (*numbers, (b"uid", entry.uid, OCTAL_7), (b"gid", entry.gid, OCTAL_7)):
        if not 0 <= value <= most:
            records.append((key, str(value).encode()))
    if not link_to:
        records += [(_xattr_key(entry, key), value) for key, value in entry.xattrs]
    return b"".join(_record(key, value) for key, value in records)


def _size(entry: Entry, link_to: str) -> int:
    return entry.content.size if entry.content is not None and not link_to else 0


class _Sink:
    """Bytes on their way to a descriptor: small ones are gathered, great ones never copied."""

    def __init__(self, descriptor: int, stack: ExitStack) -> None:
        self._descriptor = descriptor
        self._stack = stack
        self._batch = bytearray()
        self._spools: dict[Path, int] = {}

    def put(self, data: bytes) -> None:
        self._batch += data
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        with memoryview(self._batch) as view:
            done = 0
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        self._batch.clear()

    def put_content(self, content: Content) -> None:
        if content.data is not None:
            self.put(content.data)
        elif content.size <= COPIED:
            self.put(self._read(content))
        else:
            self.flush()
            self._send(content)
        self.put(_padding(content.size))

    def _read(self, content: Content) -> bytes:
        data = os.pread(self._spool(content), content.size, content.offset)
        if len(data) != content.size:
            raise _cut_short(content)
        return data

    def _send(self, content: Content) -> None:
        spool = self._spool(content)
        at, end = content.offset, content.offset + content.size
        while at < end:
            sent = os.sendfile(self._descriptor, spool, at, end - at)
            if not sent:
                raise _cut_short(content)
            at += sent

    def _spool(self, content: Content) -> int:
        path = content.spool
        assert path is not None
        if path not in self._spools:
            if len(self._spools) >= OPEN_SPOOLS:
                self._spools.clear()
                self._stack.close()
            self._spools[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._stack.callback(os.close, self._spools[path])
        return self._spools[path]


def _ustar(
    name: bytes,
    kind: bytes,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """Return one header block; numbers are octal digits, the checksum counts itself as spaces."""
    owner = b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
    head = name.ljust(NAME_SIZE, b"\0") + owner + b"%011o\0%011o\0" % (size, mtime)
    tail = kind + target.ljust(NAME_SIZE, b"\0") + b"ustar\x0000" + bytes(64)
    tail = (tail + b"%07o\0%07o\0" % device).ljust(BLOCK - len(head) - 8, b"\0")
    return head + b"%06o\0 " % (sum(head) + sum(tail) + 8 * ord(" ")) + tail


def _pax(data: bytes) -> bytes:
    """Return an extended header for the next entry, or nothing."""
    if not data:
        return b""
    return _ustar(b"pax", b"x", size=len(data)) + data + _padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    r"""Return "LENGTH KEY=VALUE\n", where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _xattr_key(entry: Entry, name: str) -> bytes:
    if "=" in name or "\0" in name or not name:
        raise ImageError(
            f"{entry.path} has an extended attribute that an image cannot hold",
            {"attribute": repr(name), "from": entry.origin or "(unknown)"},
        )
    return b"SCHILY.xattr." + name.encode()


def _cut_short(content: Content) -> ImageError:
    end = content.offset + content.size
    return ImageError(
        "a spool file was cut short while the image was written",
        {"file": content.spool, "needed up to byte": end},
        hint="leave the scratch folder alone while a build runs",
    )


def linked(tree: Tree) -> Iterator[tuple[Entry, Entry]]:
    """Yield each further entry of a hard link together with the first."""
    first: dict[str, Entry] = {}
    for entry in tree:
        if entry.hardlink:
            head = first.setdefault(entry.hardlink, entry)
            if head is not entry:
                yield head, entry

"""The staging root as a value: entries, and the tree they form.

Nothing here touches a disk but ``Content.chunks``, which reads bytes that a spool file holds.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

CHUNK = 1 << 20  # bytes read from a spool file at once


class Kind(StrEnum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    CHARDEV = "character device"
    BLOCKDEV = "block device"


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a regular file: in memory, or a slice of a spool file.

    Two contents are equal when their bytes are, wherever they lie.
    """

    size: int
    sha256: str
    data: bytes | None = field(default=None, compare=False, repr=False)
    spool: Path | None = field(default=None, compare=False, repr=False)
    offset: int = field(default=0, compare=False, repr=False)

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Return the content that holds ``data``."""
        return cls(len(data), hashlib.sha256(data).hexdigest(), data=data)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order, at most CHUNK at a time.

        :raises EOFError: the spool file was cut short after it was written.
        """
        if self.data is not None:
            yield self.data
            return
        assert self.spool is not None
        with self.spool.open("rb") as stream:
            stream.seek(self.offset)
            left = self.size
            while left:
                chunk = stream.read(min(left, CHUNK))
                if not chunk:
                    raise EOFError(f"{self.spool} ends before byte {self.offset + self.size}")
                left -= len(chunk)
                yield chunk

    def read(self) -> bytes:
        """Return all bytes; for files known to be small."""
        return b"".join(self.chunks())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a tree, with all that a file system knows of it.

    :param path: relative to the root, "/" between the parts, never "." or "..".
    :param mode: permission bits, at most 0o7777.
    :param mtime: whole seconds since 1970.
    :param target: where a symlink points; "" for other kinds.
    :param device: major and minor number of a device.
    :param xattrs: name and value, sorted by name.
    :param hardlink: entries of one tree that bear the same non-empty token are one inode.
    :param origin: who brought it: a cpv, or "definition". Not part of the value.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    target: str = ""
    content: Content | None = None
    device: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    hardlink: str = ""
    origin: str = field(default="", compare=False)

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's components."""
        return tuple(self.path.split("/"))

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes, as st_size shows them for files and links; 0 for other kinds."""
        if self.content is not None:
            return self.content.size
        return len(self.target.encode())


def file_entry(
    path: str, data: bytes, *, mode: int = 0o644, mtime: int = 0, origin: str = ""
) -> Entry:
    """Return a root-owned regular file that holds ``data``."""
    content = Content.of(data)
    return Entry(path=path, kind=Kind.FILE, mode=mode, mtime=mtime, content=content, origin=origin)


def link_entry(path: str, target: str, *, mtime: int = 0, origin: str = "") -> Entry:
    """Return a root-owned symlink."""
    return Entry(
        path=path, kind=Kind.SYMLINK, mode=0o777, mtime=mtime, target=target, origin=origin
    )


def directory_entry(path: str, *, mode: int = 0o755, mtime: int = 0, origin: str = "") -> Entry:
    """Return a root-owned directory."""
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, mtime=mtime, origin=origin)


class InvalidTreeError(ValueError):
    """Entries that form no tree. Readers of untrusted input check before and raise their own."""


class Tree:
    """An immutable set of entries in the order of their path components.

    Held at all times: paths are relative and normal, no path occurs twice, and every parent is
    there as a directory. The root itself is not an entry.
    """

    __slots__ = ("_entries", "_index")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Form a tree; a missing parent is added, 0755 root:root, with its child's mtime.

        :raises InvalidTreeError: an invariant does not hold.
        """
        index: dict[str, Entry] = {}
        for entry in entries:
            check_path(entry.path)
            if entry.path in index:
                raise InvalidTreeError(f"two entries for {entry.path}")
            index[entry.path] = entry
        leading: set[str] = set()
        for entry in sorted(index.values(), key=_order):
            _add_parents(index, entry, leading)
        self._entries = tuple(sorted(index.values(), key=_order))
        self._index = index

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: object) -> bool:
        return path in self._index

    def __getitem__(self, path: str) -> Entry:
        return self._index[path]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(self._entries)

    def __repr__(self) -> str:
        return f"Tree({len(self)} entries)"

    def get(self, path: str) -> Entry | None:
        """Return the entry at ``path``, or None."""
        return self._index.get(path)

    def select(self, keep: Callable[[Entry], bool]) -> Tree:
        """Return the entries that ``keep`` accepts, with the directories that lead to them."""
        kept = [entry for entry in self._entries if keep(entry)]
        paths = {entry.path for entry in kept}
        leading = {parent for entry in kept for parent in parents(entry.path)} - paths
        return Tree([*kept, *(self._index[path] for path in leading)])

    def under(self, folder: str) -> Tree:
        """Return ``folder`` and what lies below it, with the directories that lead to it."""
        return self.select(lambda e: e.path == folder or e.path.startswith(folder + "/"))

    def without(self, paths: Iterable[str]) -> Tree:
        """Return the tree without these paths and all that lies below them."""
        gone = frozenset(paths)
        return Tree(
            entry
            for entry in self._entries
            if entry.path not in gone and not any(p in gone for p in parents(entry.path))
        )

    def matching(self, pattern: str) -> tuple[Entry, ...]:
        """Return the entries that a glob names; see ``glob_regex``."""
        regex = glob_regex(pattern)
        return tuple(entry for entry in self._entries if regex.fullmatch(entry.path))

    def updated(self, entries: Iterable[Entry]) -> Tree:
        """Return the tree with these entries added, or put in the place of the same path."""
        index = dict(self._index)
        index.update((entry.path, entry) for entry in entries)
        return Tree(index.values())

    def clamped(self, epoch: int) -> Tree:
        """Return the tree with every mtime newer than ``epoch`` set to it, and none negative."""
        return Tree(
            replace(entry, mtime=max(0, min(entry.mtime, epoch)))
            if not 0 <= entry.mtime <= epoch
            else entry
            for entry in self._entries
        )

    def digest(self) -> str:
        """Return a SHA-256 of the whole value: equal trees, equal digests."""
        sha = hashlib.sha256()
        for entry in self._entries:
            sha.update(length_prefixed(_fields(entry)))
        return sha.hexdigest()


_PART = r"(?!\.{1,2}(?:/|\Z))[^/\0]+"
_NORMAL = re.compile(rf"{_PART}(?:/{_PART})*")


def check_path(path: str) -> None:
    """Refuse a path that is not relative and normal, or that no file system could hold.

    :raises InvalidTreeError: it is not.
    """
    if not _NORMAL.fullmatch(path):
        raise InvalidTreeError(f"not a path below a root: {path!r}")


def parents(path: str) -> Iterator[str]:
    """Yield the directories that lead to ``path``, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


@functools.lru_cache(maxsize=1024)
def glob_regex(pattern: str) -> re.Pattern[str]:
    """Compile a path glob.

    ``*``, ``?`` and ``[abc]`` stay within one part; a part that is ``**`` stands for any number of
    parts, none included, and at the end for everything below.

    :raises InvalidTreeError: a range such as [z-a].
    """
    pieces = []
    parts = pattern.split("/")
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            pieces.append(".+" if last else "(?:[^/]+/)*")
        else:
            pieces.append("".join(map(_glob_token, _GLOB.findall(part))) + ("" if last else "/"))
    try:
        return re.compile("".join(pieces), re.DOTALL)
    except re.error as error:
        raise InvalidTreeError(f"no pattern for paths: {pattern!r}: {error.msg}") from error


_GLOB = re.compile(r"\[[!^]?[^]]+\]|.", re.DOTALL)
_CLASS_SIGNS = re.compile(
    r"[\\\[\^&~|]"
)  # that mean something in a class of Python's, now or later


def _glob_token(token: str) -> str:
    if token == "*":
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if len(token) > 1:
        negated = token[1] in "!^" and len(token) > 3
        inner = _CLASS_SIGNS.sub(r"\\\g<0>", token[1 + negated : -1])
        return f"(?!/)[{'^' if negated else ''}{inner}]"
    return re.escape(token)


def length_prefixed(fields: Iterable[bytes]) -> bytes:
    """Join fields so that no two different lists give the same bytes."""
    return b"".join(len(item).to_bytes(8, "big") + item for item in fields)


def _order(entry: Entry) -> str:
    """Sort as ``parts`` would, in a third of the time: no path holds a NUL, which sorts first."""
    return entry.path.replace("/", "\0")


def _add_parents(index: dict[str, Entry], entry: Entry, leading: set[str]) -> None:
    """Add what leads to an entry; what leads to ``leading`` is there already."""
    for parent in parents(entry.path):
        if parent in leading:
            return
        leading.add(parent)
        known = index.get(parent)
        if known is None:
            index[parent] = directory_entry(parent, mtime=entry.mtime, origin=entry.origin)
        elif known.kind is not Kind.DIRECTORY:
            raise InvalidTreeError(f"{entry.path} lies below {parent}, a {known.kind}")


def _fields(entry: Entry) -> list[bytes]:
    numbers = (entry.mode, entry.uid, entry.gid, entry.mtime, *(entry.device or ()))
    fields = [entry.path, entry.kind, ",".join(map(str, numbers)), entry.target, entry.hardlink]
    fields.append(entry.content.sha256 if entry.content else "")
    xattrs = [item for name, value in entry.xattrs for item in (name.encode(), value)]
    return [length_prefixed(text.encode() for text in fields), length_prefixed(xattrs)]

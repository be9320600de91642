"""The two listings of an image: what ``find`` would print of it, mounted.

Both are computed from the Tree, so neither needs a mount, and nothing of the build host gets into
them. Where a mounted image shows something that belongs to the host, a fixed rule stands here:

- names of users and groups are those that the caller's tables give, else numbers;
- lines are sorted by bytes, as sort(1) does in the C locale;
- the device number, upstream's loop device, is 0;
- inode numbers, upstream's places in the file system, count from 1 in the order of the tree, the
  root first; hard links share one;
- a control character in a name is written as a backslash and three octal digits, so that a path is
  always one line.

Sizes of directories and link counts are those that EROFS stores.
"""

from __future__ import annotations

import re
import stat
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.tree import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sysextlib.tree import Tree

DEVICE = 0
_TYPES = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.CHARDEV: stat.S_IFCHR,
    Kind.BLOCKDEV: stat.S_IFBLK,
}
_BLOCK = 4096  # bytes of a directory block in our images
_DIRENT = 12  # bytes of struct erofs_dirent, which stands before each name
_ID = re.compile("[0-9]{1,10}")  # of a user or group; 32 bits
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsOptions:
    """What a Tree does not know.

    :param root_mtime: of the root directory, which is no entry of a tree.
    :param users: name of each numeric id, as the base has them; groups likewise.
    """

    root_mtime: int
    users: Mapping[int, str]
    groups: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Line:
    """One entry as stat(2) would show it."""

    entry: Entry
    path: str
    inode: int
    links: int
    size: int

    @property
    def mode(self) -> str:
        return stat.filemode(_TYPES[self.entry.kind] | self.entry.mode)


def contents_text(tree: Tree, options: ContentsOptions) -> str:
    """Return the text of NAME_contents.txt.

    Mode, links, user, group, size in bytes, UTC date and minute of the last change, path, and
    where a symlink points.
    """
    lines = []
    for line in _stat(tree, options.root_mtime):
        entry = line.entry
        user = options.users.get(entry.uid, str(entry.uid))
        group = options.groups.get(entry.gid, str(entry.gid))
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.mtime))
        key = f"{line.path} -> {visible(entry.target)}"
        lines.append(
            (key, f"{line.mode} {line.links:2} {user:<7} {group:<7} {line.size:7} {when} {key}")
        )
    return _sorted([(key, text.removesuffix(" -> ")) for key, text in lines])


def contents_wtd_text(tree: Tree) -> str:
    """Return the text of NAME_contents_wtd.txt: mode, device, inode, links, size in bytes, path."""
    return _sorted(
        [
            (line.path, f"{line.mode} {DEVICE} {line.inode} {line.links} {line.size} {line.path}")
            for line in _stat(tree, 0)
        ]
    )


def names_by_id(database: bytes) -> dict[int, str]:
    """Return the name of each id in a passwd(5) or group(5) file; the first of an id counts."""
    names: dict[int, str] = {}
    for line in database.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and _ID.fullmatch(fields[2]) and fields[0]:
            names.setdefault(int(fields[2]), fields[0])
    return names


def directory_size(names: list[bytes]) -> int:
    """Return the bytes that EROFS stores for a directory of these names.

    Entries stand in blocks in the order of their names, "." and ".." among them; one that does
    not fit into the rest of a block starts the next. Source: the kernel's EROFS document,
    "Directories".
    """
    size = 0
    for name in sorted([b".", b"..", *names]):
        need = _DIRENT + len(name)
        if size % _BLOCK + need > _BLOCK:
            size += -size % _BLOCK
        size += need
    return size


def _stat(tree: Tree, root_mtime: int) -> Iterator[_Line]:
    root = Entry(path="", kind=Kind.DIRECTORY, mode=0o755, mtime=root_mtime)
    names: dict[str, list[bytes]] = {}
    folders: Counter[str] = Counter()
    links = Counter(entry.hardlink for entry in tree if entry.hardlink)
    for entry in tree:
        parent = entry.path.rpartition("/")[0]
        names.setdefault(parent, []).append(entry.name.encode())
        folders[parent] += entry.kind is Kind.DIRECTORY
    inodes: dict[str, int] = {}
    for entry in (root, *tree):
        inode = inodes.setdefault(entry.hardlink or f"/{entry.path}", len(inodes) + 1)
        path = "./" + visible(entry.path)
        if entry.kind is Kind.DIRECTORY:
            size = directory_size(names.get(entry.path, []))
            yield _Line(entry, path, inode, 2 + folders[entry.path], size)
        else:
            yield _Line(entry, path, inode, links.get(entry.hardlink, 1), entry.size)


def _sorted(lines: list[tuple[str, str]]) -> str:
    """Join the lines in the order of their keys' bytes, equal ones by the whole line."""
    return "".join(
        text + "\n" for _, text in sorted(lines, key=lambda item: (item[0].encode(), item[1]))
    )


def visible(text: str) -> str:
    """Return a path with its control characters as a backslash and three octal digits."""
    return _CONTROL.sub(lambda match: f"\\{ord(match[0]):03o}", text)

"""A tree laid out in a folder for a foreign program, and read back after it ran.

A folder cannot hold all of a tree: its files belong to whoever runs the build, and it bears no
xattrs and no devices. Those stay behind in the original, and come back by path, or by inode for
what was moved. So the result does not depend on who runs the build.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sysextlib.errors import MangleError
from sysextlib.tree import CHUNK, Content, Entry, Kind, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_TREE = 1_000_000  # entries that a program may leave behind
LONGEST_PATH = 4095  # bytes, PATH_MAX of Linux without its NUL
_DEVICES = frozenset({Kind.CHARDEV, Kind.BLOCKDEV})
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
_KINDS[stat.S_IFIFO] = Kind.FIFO


@dataclass(frozen=True, slots=True)
class Laid:
    """A folder that holds a tree.

    :param inodes: which entry became which inode.
    """

    root: Path
    tree: Tree
    inodes: dict[int, Entry]


def lay_out(tree: Tree, root: Path) -> Laid:
    """Write a tree into a new folder ``root``; devices are left out.

    What its owner could not read or enter is made so, for the program runs as the owner.
    """
    root.mkdir(mode=0o755)
    inodes: dict[int, Entry] = {}
    first_of: dict[str, Path] = {}
    for entry in tree:
        if entry.kind in _DEVICES:
            continue
        path = root / entry.path
        if entry.hardlink and entry.hardlink in first_of:
            os.link(first_of[entry.hardlink], path)
            continue
        _make(entry, path)
        if entry.hardlink:
            first_of[entry.hardlink] = path
        inodes[path.lstat().st_ino] = entry
    for entry in reversed(list(tree)):  # a folder's time and mode last, when it is filled
        if entry.kind is Kind.DIRECTORY:
            (root / entry.path).chmod(_laid_mode(entry))
            os.utime(root / entry.path, (entry.mtime, entry.mtime))
    return Laid(root, tree, inodes)


def read_back(laid: Laid, epoch: int) -> Tree:
    """Return the tree that the folder holds now; contents that are new stay where they are.

    An unchanged entry is the original's, with its owner, xattrs, mtime and origin. A new one is
    root's, and none is younger than ``epoch``.

    :raises MangleError: a socket, a device, a name that is not UTF-8, too many or too deep.
    """
    entries: dict[str, Entry] = {}
    groups: dict[int, list[str]] = {}
    for path, status in _walk(laid.root):
        entry = _read(laid, path, status, epoch)
        entries[path] = entry
        if entry.kind is not Kind.DIRECTORY:
            groups.setdefault(status.st_ino, []).append(path)
    _set_links(entries, groups, laid.tree)
    for entry in laid.tree:
        folder = entry.path.rpartition("/")[0]
        there = not folder or (folder in entries and entries[folder].kind is Kind.DIRECTORY)
        if entry.kind in _DEVICES and there and entry.path not in entries:
            entries[entry.path] = entry
    return Tree(entries.values())


def _make(entry: Entry, path: Path) -> None:
    match entry.kind:
        case Kind.DIRECTORY:
            path.mkdir()
            return
        case Kind.SYMLINK:
            path.symlink_to(entry.target)
        case Kind.FIFO:
            os.mkfifo(path)
        case _:
            assert entry.content is not None
            with path.open("xb") as stream:
                for chunk in entry.content.chunks():
                    stream.write(chunk)
    if entry.kind is not Kind.SYMLINK:
        path.chmod(_laid_mode(entry))
    os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)


def _laid_mode(entry: Entry) -> int:
    return entry.mode | (0o700 if entry.kind is Kind.DIRECTORY else 0o600)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every path below ``root`` and its status, never following a link.

    What the program left unreadable is made readable on the way; the status is from before.
    """
    todo = [root]
    count = 0
    while todo:
        folder = todo.pop()
        try:
            names = os.listdir(folder)
        except OSError as error:
            raise MangleError(
                "the program left a folder that cannot be read",
                {"path": folder.relative_to(root), "reason": error.strerror},
            ) from error
        for name in sorted(names):
            path = folder / name
            relative = str(path.relative_to(root))
            count += 1
            _check_name(relative, count)
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                if status.st_mode & 0o700 != 0o700:
                    path.chmod(stat.S_IMODE(status.st_mode) | 0o700)
                todo.append(path)
            elif stat.S_ISREG(status.st_mode) and not status.st_mode & 0o400:
                path.chmod(stat.S_IMODE(status.st_mode) | 0o400)
            yield relative, status


def _check_name(path: str, count: int) -> None:
    try:
        size = len(path.encode())
    except UnicodeEncodeError as error:
        raise MangleError(
            "the program made a name that is not UTF-8", {"path": ascii(path)}
        ) from error
    # two folders' worth is kept free for the scratch folder's own path
    if size > LONGEST_PATH - 512:
        raise MangleError("the program made a path that is too long", {"path": path[:80] + "..."})
    if count > LARGEST_TREE:
        raise MangleError(f"the program left more than {LARGEST_TREE} files")


def _read(laid: Laid, path: str, status: os.stat_result, epoch: int) -> Entry:
    """Return one path as an entry, with what the folder could not hold from the original."""
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        what = "a socket" if stat.S_ISSOCK(status.st_mode) else "a device"
        raise MangleError(f"the program made {what}", {"path": path})
    place = laid.root / path
    mtime = max(0, min(int(status.st_mtime), epoch))
    new = Entry(
        path=path,
        kind=kind,
        mode=0o777 if kind is Kind.SYMLINK else stat.S_IMODE(status.st_mode),
        mtime=mtime,
        target=os.readlink(place) if kind is Kind.SYMLINK else "",  # noqa: PTH115 - Path changes it
        content=file_content(place) if kind is Kind.FILE else None,
        origin="mangle",
    )
    old = laid.tree.get(path)
    if old is None or old.kind is not kind:
        old = _moved(laid, new, status)
    if old is None:
        return new
    if kind is Kind.SYMLINK or new.mode == _laid_mode(old):
        new = replace(new, mode=old.mode)
    if (new.content, new.target) == (old.content, old.target):
        return replace(old, path=path, mode=new.mode, hardlink="")
    # as the kernel does when a file is written to
    xattrs = tuple(item for item in old.xattrs if item[0] != "security.capability")
    return replace(new, uid=old.uid, gid=old.gid, xattrs=xattrs)


def _moved(laid: Laid, new: Entry, status: os.stat_result) -> Entry | None:
    """Return the original of a path that was moved here.

    An inode number alone may be that of a removed file, used again; a new file has another time.
    """
    old = laid.inodes.get(status.st_ino)
    if old is None or old.kind is not new.kind or int(status.st_mtime) != old.mtime:
        return None
    return old if (new.content, new.target) == (old.content, old.target) else None


def file_content(path: Path) -> Content:
    """Return a file's content as a slice of itself."""
    sha = hashlib.sha256()
    size = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        while chunk := stream.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return Content(size, sha.hexdigest(), spool=path)


def _set_links(entries: dict[str, Entry], groups: dict[int, list[str]], original: Tree) -> None:
    """Give the paths of one inode one token: the original's when they are the original's paths."""
    members: dict[str, list[str]] = {}
    for entry in original:
        if entry.hardlink:
            members.setdefault(entry.hardlink, []).append(entry.path)
    token_of = {frozenset(paths): token for token, paths in members.items()}
    for paths in groups.values():
        token = token_of.get(frozenset(paths), f"mangle:{min(paths)}" if len(paths) > 1 else "")
        for path in paths:
            entries[path] = replace(entries[path], hardlink=token)

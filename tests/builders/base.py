"""A base image from a dict: as a real squashfs, or as a value for tests without tools."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from sysextlib.system.run import run
from sysextlib.tree import Content, Entry, Kind, Tree, directory_entry, file_entry, link_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

OS_RELEASE = b'ID=demo\nVERSION_ID=1.2.3\nVERSION="1.2.3 (one)"\nBUILD_ID=b1\nSYSEXT_LEVEL=1\n'
MTIME = 1_700_000_000
PROGRAMS = ("sh", "ln", "mkdir", "true")  # of every base; scripts, units and links need them


def tree_of(paths: Mapping[str, bytes | str | None], *extra: Entry, origin: str = "") -> Tree:
    """Return a tree: bytes are a file, a text the target of a symlink, None a directory."""
    entries = []
    for path, what in paths.items():
        if what is None:
            entries.append(directory_entry(path, mtime=MTIME, origin=origin))
        elif isinstance(what, str):
            entries.append(link_entry(path, what, mtime=MTIME, origin=origin))
        else:
            mode = 0o755 if path.startswith("usr/bin/") else 0o644
            entries.append(file_entry(path, what, mode=mode, mtime=MTIME, origin=origin))
    return Tree([*entries, *extra])


class TreeBase:
    """What ``BaseFiles`` asks for, out of a Tree; counts whose contents were read."""

    def __init__(self, tree: Tree, owners: Mapping[str, str] | None = None) -> None:
        """Take the whole base, /usr and all."""
        self.tree = tree
        self.read: list[str] = []
        self._owners = dict(owners or {})

    def get(self, path: str) -> Entry | None:
        """Return the entry at ``path``."""
        return self.tree.get(path)

    def contents(self, paths: Iterable[str]) -> Mapping[str, Content]:
        """Return the contents of the files among these paths."""
        wanted = list(paths)
        self.read += wanted
        entries = (self.tree.get(path) for path in wanted)
        return {e.path: e.content for e in entries if e is not None and e.content is not None}

    def owners(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return the owners among these paths."""
        return {path: self._owners[path] for path in paths if path in self._owners}


def package_files(
    cpv: str, metadata: Mapping[str, str] | None = None, contents: str = ""
) -> dict[str, bytes]:
    """Return the VDB entry of an installed package by path."""
    values = {
        "CATEGORY": cpv.split("/")[0],
        "PF": cpv.split("/")[1],
        "EAPI": "8",
        "SLOT": "0",
        "BUILD_TIME": str(MTIME),
        "COUNTER": "7",
        **(metadata or {}),
    }
    files = {f"var/db/pkg/{cpv}/{key}": f"{value}\n".encode() for key, value in values.items()}
    files[f"var/db/pkg/{cpv}/CONTENTS"] = contents.encode()
    return files


def small_base(**more: bytes | str | None) -> dict[str, bytes | str | None]:
    """Return the least that ``open_base`` and our definitions need.

    :param more: further paths at the top.
    """
    return {
        "bin": "usr/bin",
        "lib64": "usr/lib64",
        **{f"usr/bin/{name}": b"\n" for name in PROGRAMS},
        "usr/lib64/libc.so.6": elf(62),
        "usr/lib/os-release": OS_RELEASE,
        "etc/os-release": "../usr/lib/os-release",
        **package_files("sys-libs/glibc-2.40"),
        **more,
    }


def elf(machine: int) -> bytes:
    """Return the 64 bytes of an ELF header for an e_machine, little endian."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + machine.to_bytes(2, "little")
    return head.ljust(64, b"\0")


def lay_out(tree: Tree, folder: Path) -> None:
    """Make a tree in an empty folder; owners, devices and trusted xattrs only as root."""
    folder.mkdir(parents=True, exist_ok=True)
    inodes: dict[str, Path] = {}
    for entry in tree:
        path = folder / os.fsdecode(os.fsencode(entry.path))
        if entry.hardlink and entry.hardlink in inodes:
            path.hardlink_to(inodes[entry.hardlink])
            continue
        inodes.setdefault(entry.hardlink, path)
        _make(entry, path)
    for entry in reversed(list(tree)):
        path = folder / entry.path
        os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)
        if entry.kind is Kind.DIRECTORY:
            path.chmod(entry.mode)


def _make(entry: Entry, path: Path) -> None:
    if entry.kind is Kind.DIRECTORY:
        path.mkdir()
    elif entry.kind is Kind.SYMLINK:
        path.symlink_to(entry.target)
    elif entry.kind is Kind.FIFO:
        os.mkfifo(path)
    elif entry.kind in {Kind.CHARDEV, Kind.BLOCKDEV}:
        kind = 0o020000 if entry.kind is Kind.CHARDEV else 0o060000
        os.mknod(path, kind | entry.mode, os.makedev(*(entry.device or (0, 0))))
    else:
        with path.open("wb") as stream:
            for chunk in entry.content.chunks() if entry.content else ():
                stream.write(chunk)
    if os.geteuid() == 0:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        path.chmod(entry.mode)
    for name, value in entry.xattrs:
        os.setxattr(path, name, value, follow_symlinks=False)


def write_squashfs(tree: Tree, image: Path, *options: str) -> Path:
    """Pack a tree with mksquashfs beside ``image``; return ``image``."""
    root = image.with_name(image.name + ".root")
    lay_out(tree, root)
    run(["mksquashfs", root, image, "-noappend", "-quiet", "-no-progress", *options])
    shutil.rmtree(root)
    return image

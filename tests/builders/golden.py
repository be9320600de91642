"""Listings of extensions that people can read, from a tree as well as from a built image."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.tree import Kind, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER = Path(__file__).resolve().parents[1] / "golden/catalogue"
LONGEST = 12  # lines of a file that is shown
# of a line of _contents.txt: mode, links, user, group, size, date, time, path
_LINE = re.compile(r"(\S+) +\d+ (\S+) +(\S+) +\d+ \S+ \S+ \./(.*)")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One path of an extension.

    :param mode: as ls -l has it.
    :param target: of a symlink, else "".
    """

    mode: str
    uid: str
    gid: str
    path: str
    target: str
    read: Callable[[], bytes]


def golden(board: str, name: str) -> Path:
    """Return the listing of an extension."""
    return FOLDER / board / f"{name}.txt"


def render(shown: Iterable[Shown]) -> str:
    """Return a line for each path, and below it what a definition or the stamp wrote into it.

    Left out are folders that are like all others, and contents that say nothing: the files of
    made-up packages hold the path that they had there, so one that was moved shows where from.
    """
    items = sorted(shown, key=lambda item: item.path.split("/"))
    leading = {item.path.rpartition("/")[0] for item in items}
    lines = []
    for item in items:
        usual = (item.mode, item.uid, item.gid) == ("drwxr-xr-x", "0", "0")
        if usual and (item.path in leading or not item.path):
            continue
        target = f" -> {item.target}" if item.target else ""
        lines.append(f"{item.mode} {item.uid} {item.gid} {item.path}{target}")
        if item.mode.startswith("-"):
            lines += _content(item)
    return "".join(f"{line}\n" for line in lines)


def of_tree(tree: Tree) -> list[Shown]:
    """Return the paths of a tree."""
    kinds = {
        Kind.FILE: stat.S_IFREG,
        Kind.DIRECTORY: stat.S_IFDIR,
        Kind.SYMLINK: stat.S_IFLNK,
    }
    return [
        Shown(
            mode=stat.filemode(kinds[entry.kind] | entry.mode),
            uid=str(entry.uid),
            gid=str(entry.gid),
            path=entry.path,
            target=entry.target,
            read=entry.content.read if entry.content else bytes,
        )
        for entry in tree
    ]


def of_image(contents: Path, extracted: Path) -> list[Shown]:
    """Return the paths of an image: its report of contents, and its files as they were unpacked."""
    found = []
    for line in contents.read_text(encoding="utf-8").splitlines():
        matched = _LINE.fullmatch(line)
        assert matched, line
        mode, uid, gid, rest = matched.groups()
        path, _, target = rest.partition(" -> ")
        read = (extracted / path).read_bytes
        found.append(Shown(mode=mode, uid=uid, gid=gid, path=path, target=target, read=read))
    return found


def _content(item: Shown) -> list[str]:
    data = item.read()
    if data == f"{item.path}\n".encode() or b"\0" in data:
        return []
    lines = data.decode(errors="replace").splitlines()
    if len(lines) > LONGEST:
        return [f"    ({len(lines)} lines)"]
    return [f"    {line}".rstrip() for line in lines]

"""CONTENTS: the files that an installed package owns.

A line each: ``dir /path``, ``obj /path md5 mtime``, ``sym /path -> target mtime``, ``fif /path``,
``dev /path``. Nothing is quoted. Paths may hold blanks, so that lines are read from both ends; a
symlink's line is split at its last " -> ", as Portage does.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import PackageError
from sysextlib.tree import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = {
    Kind.FILE: "obj",
    Kind.DIRECTORY: "dir",
    Kind.SYMLINK: "sym",
    Kind.FIFO: "fif",
    Kind.CHARDEV: "dev",
    Kind.BLOCKDEV: "dev",
}
LINE = re.compile(
    r"(?P<plain>dir|dev|fif) (?P<at>/.*)"
    r"|obj (?P<file>/.*) (?P<md5>[0-9a-f]{32}) (?P<when>-?[0-9]{1,18})"
    r"|sym (?P<link>/.*) -> (?P<target>.+) (?P<linked>-?[0-9]{1,18})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """One line of CONTENTS.

    :param kind: "dir", "obj", "sym", "fif" or "dev".
    :param path: relative to the root.
    :param md5: of an "obj"'s bytes, lower-case hex.
    :param mtime: whole seconds since 1970, of "obj" and "sym".
    """

    kind: str
    path: str
    md5: str = ""
    target: str = ""
    mtime: int = 0


def parse_contents(data: bytes, source: str = "CONTENTS") -> tuple[Owned, ...]:
    """Read CONTENTS, in its order.

    :raises PackageError: a line is not of its form.
    """
    owned = []
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        if not line:
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise PackageError(
                "a line of CONTENTS is damaged",
                {"read from": source, "line": number, "text": ascii(line[:200])},
            )
        if match["plain"]:
            owned.append(Owned(kind=match["plain"], path=match["at"][1:]))
        elif match["file"]:
            path, when = match["file"][1:], int(match["when"])
            owned.append(Owned(kind="obj", path=path, md5=match["md5"], mtime=when))
        else:
            path, when = match["link"][1:], int(match["linked"])
            owned.append(Owned(kind="sym", path=path, target=match["target"], mtime=when))
    return tuple(owned)


def owned_by(entries: Iterable[Entry]) -> tuple[Owned, ...]:
    """Return the lines for these entries; every file's bytes are read for their MD5."""
    return tuple(_owned(entry) for entry in entries)


def render_contents(owned: Iterable[Owned]) -> bytes:
    """Return CONTENTS, sorted by path as Portage writes it."""
    lines = (_line(item) for item in sorted(owned, key=lambda item: item.path))
    return "".join(lines).encode("utf-8", "surrogateescape")


def _owned(entry: Entry) -> Owned:
    kind = KINDS[entry.kind]
    if entry.content is not None:
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in entry.content.chunks():
            md5.update(chunk)
        return Owned(kind=kind, path=entry.path, md5=md5.hexdigest(), mtime=entry.mtime)
    if entry.kind is Kind.SYMLINK:
        return Owned(kind=kind, path=entry.path, target=entry.target, mtime=entry.mtime)
    return Owned(kind=kind, path=entry.path)


def _line(item: Owned) -> str:
    if item.kind == "obj":
        return f"obj /{item.path} {item.md5} {item.mtime}\n"
    if item.kind == "sym":
        return f"sym /{item.path} -> {item.target} {item.mtime}\n"
    return f"{item.kind} /{item.path}\n"

"""Reads file_contexts(5) and its substitutions into rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import LabelError
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LABEL = "<<none>>"
SOCKET = "socket"  # a Tree holds none, a policy has rules for them
KINDS: dict[str, Kind | str] = {
    "--": Kind.FILE,
    "-d": Kind.DIRECTORY,
    "-l": Kind.SYMLINK,
    "-p": Kind.FIFO,
    "-c": Kind.CHARDEV,
    "-b": Kind.BLOCKDEV,
    "-s": SOCKET,
}
_LITERAL = frozenset(".^$?*+|[({])}-_,")  # what a backslash makes literal; label_file.h
_META = frozenset(".^$?*+|[({])}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: paths that ``regex`` matches, if they are of ``kind``, bear ``context``.

    :param kind: None for every kind.
    :param order: number of the file, then of the line: the later one wins.
    """

    regex: str
    kind: Kind | str | None
    context: str
    source: str
    order: tuple[int, int]

    @property
    def place(self) -> str:
        """File and line, for people."""
        return f"{self.source}:{self.order[1]}"

    @property
    def type(self) -> str:
        """The type in the context, or ""."""
        parts = self.context.split(":")
        return parts[2] if len(parts) > 2 else ""


def read_rules(data: bytes, source: str, number: int) -> Iterator[Rule]:
    """Yield the rules of one file, in its order.

    :param number: which file it is; rules of a higher one win.
    :raises LabelError: a line is none.
    """
    for line, raw in enumerate(data.split(b"\n"), 1):
        if not raw.isascii() or b"\0" in raw:
            raise _error("line that is not plain ASCII", source, line, raw)
        words = [word.decode("ascii") for word in raw.split(maxsplit=3)]
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise _error("line without a context", source, line, raw)
        kind: Kind | str | None = None
        context = words[1]
        if len(words) > 2:
            if words[1] not in KINDS:
                raise _error(f"unknown file type {words[1]!r}", source, line, raw)
            kind, context = KINDS[words[1]], words[2]
        if context != NO_LABEL and context.count(":") < 2:
            raise _error(f"{context!r} is no context", source, line, raw)
        yield Rule(words[0], kind, context, source, (number, line))


def read_substitutions(data: bytes, source: str) -> tuple[tuple[str, str], ...]:
    """Return path prefixes and what stands for each, the one to try first first.

    That is the last line; libselinux 3.8 alone began with the first one.

    :raises LabelError: a line is no text.
    """
    found = []
    for line, raw in enumerate(data.split(b"\n"), 1):
        try:
            words = [word.decode() for word in raw.split()]
        except UnicodeDecodeError:
            raise _error("line that is not UTF-8", source, line, raw) from None
        if len(words) >= 2 and not words[0].startswith("#"):
            found.append((words[0], words[1]))
    return tuple(reversed(found))


def literal(regex: str) -> str | None:
    """Return the one path that a regular expression means, or None when it has a meta character.

    A backslash before anything but known punctuation counts as meta, as in libselinux.
    """
    if "\\" not in regex:
        return None if _META & set(regex) else regex
    result = []
    chars = iter(regex)
    for char in chars:
        if char in _META:
            return None
        if char == "\\":
            char = next(chars, "")
            if char not in _LITERAL:
                return None
        result.append(char)
    return "".join(result)


def _error(what: str, source: str, line: int, raw: bytes) -> LabelError:
    text = raw[:200].decode("ascii", "backslashreplace")
    return LabelError(
        f"file contexts cannot be read: {what}", {"file": source, "line": line, "text": text}
    )

"""Reads unit files: systemd.syntax(7), and the command lines of systemd.service(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([0-3][0-7]{2})|(.))", re.ASCII)
_SIGNS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_WORD = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|(\S+))""")


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment."""

    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Command:
    """The program of a command line.

    :param program: a path, or a name to look up in PATH; "" when only systemd can tell.
    :param optional: its failure is ignored.
    """

    program: str
    optional: bool


def read_unit(data: bytes) -> tuple[Setting, ...]:
    """Return the assignments of a unit file or drop-in in their order."""
    text = data.decode("utf-8", "replace")
    lines: list[str] = []
    continued = False
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue  # a comment, even between the parts of one line; it goes on in none
        if continued:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
        continued = lines[-1].endswith("\\")
        if continued:
            lines[-1] = lines[-1][:-1]
    settings = []
    section = ""
    for line in lines:
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line:
            key, equals, value = line.partition("=")
            if equals:
                settings.append(Setting(section, key.strip(), value.strip()))
    return tuple(settings)


def words(value: str) -> list[str]:
    """Split a value at white space, quotes honoured."""
    return [match[1] or match[2] or match[3] or "" for match in _WORD.finditer(value)]


def command(value: str) -> Command:
    """Return the program that an Exec line starts."""
    rest = value.lstrip()
    optional = False
    while rest[:1] in {"@", "-", ":", "+", "!", "|"} and rest:
        optional = optional or rest[0] == "-"
        rest = rest[1:]
    first = words(rest)[:1]
    program = first[0].replace("%%", "\0") if first else ""
    if "%" in program or program.startswith("$") or not program:
        return Command("", optional)
    return Command(_ESCAPE.sub(_unescaped, program.replace("\0", "%")), optional)


def _unescaped(match: re.Match[str]) -> str:
    """Return the character that an escape of systemd.service(5) stands for."""
    if match[1]:
        return chr(int(match[1], 16))
    if match[2]:
        return chr(int(match[2], 8))
    return _SIGNS.get(match[3], match[3])

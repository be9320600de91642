"""ver_cut, ver_rs and ver_test (PMS 12.3.13, from EAPI 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.failure import ScriptError
from sysextlib.ebuild.output import write
from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from sysextlib.ebuild.shell import Argument, Shell

_COMPONENT: Final = re.compile(r"([^a-zA-Z0-9]*)([0-9]+|[a-zA-Z]+|\Z)")
_RANGE: Final = re.compile(r"([0-9]{1,6})(-?)([0-9]{0,6})")
_OPERATORS: Final[dict[str, Callable[[Version, Version], bool]]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}


def split_version(text: str) -> list[str]:
    """Return separators and components in turn, a separator first."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        match = _COMPONENT.match(text, at)
        assert match is not None
        parts += match.groups()
        at = match.end()
    return parts


def _range(text: str, most: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ScriptError(f"{text[:40]!r} is no range of version components")
    start = int(match[1])
    end = start if not match[2] else int(match[3]) if match[3] else most
    if match[3] or not match[2]:
        if start > end:
            raise ScriptError(f"the range {text[:40]} ends before it begins")
        end = min(end, most)
    return start, end


def ver_cut(shell: Shell, arguments: list[Argument]) -> int:
    """Write the components of a range."""
    words = [shell.argument_text(argument) for argument in arguments]
    if not words:
        raise ScriptError("ver_cut without a range")
    parts = split_version(words[1] if words[1:] and words[1] else _own(shell, "PV"))
    start, end = _range(words[0], len(parts) // 2)
    first = start * 2 - 1 if start > 0 else 0
    write(shell, "".join(parts[first : max(first, end * 2)]) + "\n")
    return 0


def ver_rs(shell: Shell, arguments: list[Argument]) -> int:
    """Write the version with separators replaced."""
    words = [shell.argument_text(argument) for argument in arguments]
    version = words.pop() if len(words) % 2 else _own(shell, "PV")
    parts = split_version(version)
    most = len(parts) // 2 - 1
    for at in range(0, len(words), 2):
        start, end = _range(words[at], most)
        for index in range(start, end + 1):
            if index == 0 and not (parts and parts[0]):
                continue
            if index * 2 >= len(parts):
                raise ScriptError(f"ver_rs {words[at][:40]} of a version without that separator")
            parts[index * 2] = words[at + 1]
    write(shell, "".join(parts) + "\n")
    return 0


def ver_test(shell: Shell, arguments: list[Argument]) -> int:
    """Compare two versions, or PVR with one."""
    words = [shell.argument_text(argument) for argument in arguments]
    left = words.pop(0) if len(words) == 3 else _own(shell, "PVR")
    if len(words) != 2 or words[0] not in _OPERATORS:
        raise ScriptError("ver_test wants [VERSION] -OPERATOR VERSION")
    try:
        versions = Version.parse(left), Version.parse(words[1])
    except ValueSyntaxError as error:
        raise ScriptError(f"ver_test: {error.brief}") from None
    shell.variables.table.pop("BASH_REMATCH", None)  # Portage's own leaves something in it
    return int(not _OPERATORS[words[0]](*versions))


def _own(shell: Shell, name: str) -> str:
    variable = shell.variables.get(name)
    return (variable.scalar() or "") if variable else ""

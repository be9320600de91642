"""Parameters that are not plain variables, alternatives of ``${x:-y}``, and file names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.budget import Budget
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.parts import Double, Literal, Parameter, Substitution
from sysextlib.ebuild.pattern import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.ebuild.expansion import Expansion
    from sysextlib.ebuild.parts import Part
    from sysextlib.ebuild.shell import Shell

_DEFAULTS: Final = frozenset({":-", "-", ":=", "=", ":?", "?", ":+", "+"})

BASH_VERSION: Final = ("5", "3", "0", "1", "release", "x86_64-pc-linux-gnu")
"""What scripts see: EAPI 9 asks for 5.3, and no older EAPI for an older one."""

UNKNOWABLE: Final = frozenset({
    "$", "!", "-", "BASHPID", "BASH_COMMAND", "BASH_LINENO", "BASH_SUBSHELL", "EPOCHREALTIME",
    "EPOCHSECONDS", "EUID", "GROUPS", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "OLDPWD", "PPID", "PWD",
    "RANDOM", "SECONDS", "SHLVL", "SRANDOM", "UID", "DIRSTACK", "BASH_ARGC", "BASH_ARGV", "HOME",
    "BASH_REMATCH",
    "SHELLOPTS", "BASHOPTS", "PIPESTATUS", "BASH", "BASH_ARGV0", "BASH_EXECUTION_STRING", "HISTCMD",
    "OSTYPE", "SHELL", "TERM", "COLUMNS", "PS4", "USE", "CFLAGS", "CXXFLAGS", "FFLAGS",
    "FCFLAGS", "LDFLAGS", "PKGDIR", "EBUILD", "USERLAND", "XARGS",
})  # fmt: skip
"""Names whose value depends on the process or the machine; nothing is known of them here."""

_WORKING_FOLDER: Final = ("portage", "_emerge", "gnupg", "__pycache__", "_legacy_globals.py")
"""What lies in the folder in which Portage sources ebuilds (its own package)."""


def alternative(
    expansion: Expansion, part: Parameter, *, text: bool = False
) -> tuple[Part, ...] | None:
    """Return the parts that ``:-``, ``:=``, ``:+`` and their kin put in place of a parameter.

    None when the parameter's own value counts, or there is no such operator. ``:=`` assigns.

    :param text: they become text and not fields.
    :raises ScriptError: ``:?`` finds no value.
    :raises UnsupportedError: whether there is a value depends on where the parameter stands.
    """
    operator = part.operator
    if operator not in _DEFAULTS:
        return None
    from sysextlib.ebuild.parameter import plain_value

    value = plain_value(expansion, part)
    if isinstance(value, list):
        if value and operator[0] == ":" and not any(value):
            single = len(value) == 1
            if (text and not part.quoted) if single else not expansion.ifs():
                raise UnsupportedError(f"{operator} for all elements, of which none has text")
        exists = bool(value) and (operator[0] != ":" or len(value) > 1 or bool(value[0]))
    else:
        exists = bool(value) if operator[0] == ":" else value is not None
    kind = operator[-1]
    (operand,) = part.operands
    if kind == "+":
        return operand if exists else ()
    if exists:
        return None
    if kind == "-":
        return operand
    value = expansion.text(operand)
    if kind == "?":
        raise ScriptError(f"{part.name}: {value or 'parameter null or not set'}")
    shell = expansion.shell
    variable = shell.variables.table.get(part.name)
    if variable is not None and (variable.integer or variable.lowercase):
        raise UnsupportedError(f"{operator} for {part.name}, whose value changes when it is set")
    shell.assign_parameter(part, value)
    # not looked up again: the subscript may stand for another element now
    return (Literal(value),)


def check_lists(parts: Sequence[Part]) -> None:
    """Refuse ``$x"$@"`` where no fields are made: bash splits both there, and joins them again.

    :raises UnsupportedError: parts are of that kind.
    """
    loose = sum(isinstance(part, Parameter | Substitution) for part in parts)
    for part in parts:
        if loose and _is_list(part):
            raise UnsupportedError('"$@" beside an expansion without quotes in a pattern or test')
        if isinstance(part, Parameter):
            for operand in part.operands:
                check_lists((*operand, Parameter("_")) if loose > 1 else operand)


def _is_list(part: Part) -> bool:
    return isinstance(part, Double) and _has_list(part.parts)


def _has_list(parts: Sequence[Part]) -> bool:
    for part in parts:
        if _is_list(part):
            return True
        if not isinstance(part, Parameter) or part.prefix == "#":
            continue
        if "@" in (part.name, part.subscript) or any(map(_has_list, part.operands)):
            return True
    return False


def special_value(shell: Shell, name: str) -> str | list[str] | None:
    """Return the value of a parameter that the shell itself keeps.

    :raises UnsupportedError: it depends on the machine or the moment.
    """
    if name in "@*":
        return list(shell.positional)
    if name == "#":
        return str(len(shell.positional))
    if name == "?":
        return str(shell.status)
    if name == "_":
        return shell.last_argument
    if name.isdigit():
        index = int(name[:6])
        if index == 0:
            raise UnsupportedError("$0")
        return shell.positional[index - 1] if index <= len(shell.positional) else None
    raise UnsupportedError(f"${name}, which depends on the process")


def _dots(pattern: str) -> tuple[str, ...]:
    """Return the names of folders that only a pattern with a dot in front matches."""
    return (".", "..") if pattern.lstrip("\\").startswith(".") else ()


def may_match_files(spelled: str, *, extended: bool) -> bool:
    """Tell whether a file name pattern may match something where Portage sources ebuilds.

    A relative one can only match below Portage's own folder. An absolute one is held against this
    machine, which Portage would do too; a match is a reason to refuse, not a value.
    """
    budget = Budget()
    first, _, rest = spelled.lstrip("/").partition("/")
    folder = Path("/")
    if not spelled.startswith("/"):
        compiled = compile_pattern(first, extended=extended, budget=budget)
        return any(compiled.fullmatch(name, budget) for name in (*_WORKING_FOLDER, *_dots(first)))
    while rest and not re.search(r"[*?\[\\]", first):
        folder /= first
        first, _, rest = rest.partition("/")
    compiled = compile_pattern(first, extended=extended, budget=budget)
    try:
        names = (path.name for path in folder.iterdir())
        return any(compiled.fullmatch(name, budget) for name in (*names, *_dots(first)))
    except OSError:
        return False

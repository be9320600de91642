"""The value of ``${...}``: variables, arrays, and the operators behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.parts import (
    DOUBLE,
    Double,
    Parameter,
    Part,
    Quoted,
    parse_parameter,
    parse_parts,
)
from sysextlib.ebuild.pattern import compile_pattern
from sysextlib.ebuild.special import BASH_VERSION, UNKNOWABLE, check_lists, special_value
from sysextlib.ebuild.variables import ASSOCIATIVE, INDEXED, SCALAR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sysextlib.ebuild.budget import Budget
    from sysextlib.ebuild.expansion import Expansion
    from sysextlib.ebuild.pattern import Pattern
    from sysextlib.ebuild.variables import Variable

Value: TypeAlias = "str | list[str] | None"
"""A list where ``@`` or ``*`` asked for all elements; None for what is not set."""

_ANCHORS: Final = {"/": "//", "#": "/#", "%": "/%"}
_ARRAY_VARIABLES: Final = frozenset({"FUNCNAME", "BASH_SOURCE", "BASH_VERSINFO"})

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def value_of(expansion: Expansion, part: Parameter, *, quoted: bool) -> str | list[str]:
    """Return the value of a parameter with its operator applied; ``:-`` and its kin are done.

    :param quoted: it stands between double quotes, where ``*`` joins.
    """
    if part.prefix == "!" and part.operator.startswith("names"):
        names = list(expansion.shell.variables.names(part.name))
        return expansion.ifs()[:1].join(names) if quoted and part.operator[-1] == "*" else names
    if part.prefix == "#":
        return _length(expansion, part)
    value = plain_value(expansion, part)
    operator = part.operator
    if operator and value is not None and operator.lstrip(":") not in {"-", "=", "?", "+"}:
        value = _operate(expansion, part, value)
    elif operator == "@" and value is None:
        value = _operate(expansion, part, "") if part.raw == ("a",) else ""
    if value is None:
        return ""
    if isinstance(value, list) and quoted and (part.name == "*" or part.subscript == "*"):
        return expansion.shell.budget.join(expansion.ifs()[:1], value)
    return value


def plain_value(expansion: Expansion, part: Parameter) -> Value:
    """Return the value of a parameter before any operator."""
    if part.prefix == "!":
        if part.subscript in {"@", "*"} and not part.operator:
            return _keys(expansion, part.name)
        return _lookup(expansion, _target(expansion, part))
    return _lookup(expansion, part)


def _target(expansion: Expansion, part: Parameter) -> Parameter:
    """Return the parameter that ``${!name}`` names."""
    name = _lookup(expansion, Parameter(part.name, part.subscript))
    if not isinstance(name, str) or not name:
        raise ScriptError(f"${{!{part.name}}} names no variable")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\[.+\])?|[0-9@*#?]+", name):
        raise ScriptError(f"${{!{part.name}}} names {name[:60]!r}, which is no variable")
    return parse_parameter(name, quoted=False)


def _lookup(expansion: Expansion, part: Parameter) -> Value:
    shell = expansion.shell
    name = part.name
    first = name[0]
    if not (first.isalpha() or first == "_") or name == "_":
        return special_value(shell, name)
    variable = shell.variables.table.get(name)
    if variable is None or name in _ARRAY_VARIABLES:
        if name in _ARRAY_VARIABLES:
            return _from_list(expansion, part, _kept_by_shell(expansion, name))
        if name in UNKNOWABLE:
            raise UnsupportedError(f"${name}, which depends on the process or the machine")
        if name == "LINENO":
            return str(shell.line)
        if name == "BASH_VERSION":
            return "{}.{}.{}({})-{}".format(*BASH_VERSION)
        if part.subscript in {"@", "*"}:
            return []
        if part.subscript is not None and shell.index(part.subscript) < 0:
            raise ScriptError(f"subscript {part.subscript[:40]!r} of what is not set")
        return None
    subscript = part.subscript
    if subscript is None:
        return variable.scalar()
    if subscript in {"@", "*"}:
        _spend_order(expansion, variable)
        return variable.values()
    return element(expansion, variable, subscript)


def _kept_by_shell(expansion: Expansion, name: str) -> list[str]:
    shell = expansion.shell
    if name == "FUNCNAME":
        return shell.function_names()
    if name == "BASH_SOURCE":
        return shell.source_names()
    return list(BASH_VERSION)


def _from_list(expansion: Expansion, part: Parameter, items: list[str]) -> Value:
    if part.subscript in {"@", "*"}:
        return items
    index = expansion.shell.index(part.subscript) if part.subscript is not None else 0
    return items[index] if -len(items) <= index < len(items) else None


def element(expansion: Expansion, variable: Variable, subscript: str) -> str | None:
    """Return an element of an array; a scalar has element 0."""
    shell = expansion.shell
    if variable.kind == ASSOCIATIVE:
        key = expansion.text(parse_parts(subscript))
        if not key:
            raise ScriptError("an empty subscript of an associative array")
        return (variable.items or {}).get(key)
    index = shell.index(subscript)
    if variable.kind == SCALAR:
        if index < 0:
            raise ScriptError(f"subscript {subscript[:40]!r} of what is no array")
        return variable.text if index == 0 else None
    if index < 0:
        index += variable.end(expansion.shell.budget)
        if index < 0:
            raise ScriptError(f"subscript {subscript[:40]!r} is before the first element")
    return (variable.items or {}).get(index)


def _keys(expansion: Expansion, name: str) -> list[str]:
    if name in _ARRAY_VARIABLES:
        return [str(index) for index in range(len(_kept_by_shell(expansion, name)))]
    variable = expansion.shell.variables.table.get(name)
    if variable is None:
        return []
    _spend_order(expansion, variable)
    return variable.keys()


def _spend_order(expansion: Expansion, variable: Variable) -> None:
    """Pay for putting the elements of an array in order."""
    count = len(variable.items or ())
    expansion.shell.budget.spend(count * 4 if variable.kind == ASSOCIATIVE else count)


def _length(expansion: Expansion, part: Parameter) -> str:
    if part.name in "@*":
        return str(len(expansion.shell.positional))
    value = _lookup(expansion, part)
    return str(len(value or ""))


def _operate(expansion: Expansion, part: Parameter, value: str | list[str]) -> str | list[str]:
    operator = part.operator
    if value == "" and operator in {"#", "##", "%", "%%"}:
        return value  # bash does not look at the pattern
    if value == [] and not (operator == ":" and part.name in "@*"):
        return value
    budget = expansion.shell.budget
    if isinstance(value, list):
        budget.spend(2 * len(value) + (sum(map(len, value)) >> 7))
    else:
        budget.spend_text(len(value))
    if operator == ":":
        return _slice(expansion, part, value)
    if operator == "@":
        return _transformed(expansion, part, value)
    change = _change(expansion, part)
    return [change(item) for item in value] if isinstance(value, list) else change(value)


def _change(expansion: Expansion, part: Parameter) -> Callable[[str], str]:
    """Return what an operator does to one value; its operands are expanded once."""
    shell = expansion.shell
    budget = shell.budget
    operator = part.operator
    spelled = expansion.pattern(part.operands[0])
    if operator == "/" and spelled[:1] in _ANCHORS and not _begins_quoted(part.operands[0]):
        # bash looks for an anchor after it has expanded the pattern
        operator, spelled = _ANCHORS[spelled[0]], spelled[1:]
    if operator[0] in "^,":
        return lambda text: _change_case(text, operator, spelled, shell.extended_glob, budget)
    if operator in {"/", "//", "/#", "/%"} and not spelled:
        new = _replacement(expansion, part)
        if operator == "/#":
            return lambda text: new + text
        if operator == "/%":
            return lambda text: text + new
        return lambda text: text
    pattern = compile_pattern(spelled, extended=shell.extended_glob, budget=budget)
    if operator in {"#", "##"}:

        def remove_prefix(text: str) -> str:
            end = pattern.prefix(text, budget, longest=len(operator) == 2)
            return text if end is None else text[end:]

        return remove_prefix
    if operator in {"%", "%%"}:

        def remove_suffix(text: str) -> str:
            start = pattern.suffix(text, budget, longest=len(operator) == 2)
            return text if start is None else text[:start]

        return remove_suffix
    if pattern.extended and pattern.fullmatch("", budget):
        raise UnsupportedError("a replacement where a pattern of groups matches nothing")
    new = _replacement(expansion, part)

    return lambda text: _substitute(text, operator, pattern, new, budget)


def _substitute(text: str, operator: str, pattern: Pattern, new: str, budget: Budget) -> str:
    """Return a text with what matches replaced: ``/`` once, ``//`` always, or at an end."""
    if operator == "/#":
        end = pattern.prefix(text, budget, longest=True)
        return text if end is None else new + text[end:]
    if operator == "/%":
        start = pattern.suffix(text, budget, longest=True)
        return text if start is None else text[:start] + new
    if not text:
        return new if pattern.fullmatch("", budget) else text
    pieces, at = [], 0
    for start, end in pattern.matches(text, budget):
        pieces += [text[at:start], new]
        at = end
        if operator == "/":
            break
    budget.spend_text(sum(map(len, pieces)) + len(text) - at)
    return "".join(pieces) + text[at:]


def _begins_quoted(parts: Sequence[Part]) -> bool:
    return isinstance(parts[0], Quoted | Double)


def _replacement(expansion: Expansion, part: Parameter) -> str:
    old = expansion.shell.compatibility <= 42
    if old and re.search("['\"]", part.raw[1]) is not None:
        raise UnsupportedError(
            "a replacement with quotes in ${name/pattern/replacement}, which EAPI 7 and older "
            "read in a way of their own"
        )
    if old and part.quoted and "\\" in part.raw[1]:
        return expansion.text(parse_parts(part.raw[1], DOUBLE))
    check_lists(part.operands[1])
    return expansion.text(part.operands[1])


def _change_case(text: str, operator: str, spelled: str, extended: bool, budget: Budget) -> str:
    if not text.isascii():
        raise UnsupportedError("a change of case in text that is not ASCII")
    change: Callable[[str], str] = str.upper if operator[0] == "^" else str.lower
    if spelled in {"", "?"}:
        return change(text) if len(operator) == 2 else change(text[:1]) + text[1:]
    budget.spend(3 * len(text))
    pattern = compile_pattern(spelled, extended=extended, budget=budget)

    def fits(char: str) -> bool:
        return pattern.fullmatch(char, budget)

    if len(operator) == 1:
        return change(text[0]) + text[1:] if text and fits(text[0]) else text
    return "".join([change(char) if fits(char) else char for char in text])


def _slice(expansion: Expansion, part: Parameter, value: str | list[str]) -> str | list[str]:
    """Apply ``${name:offset:length}``; the length is not looked at when the offset is outside."""
    offset = _operand_number(expansion, part, 0)
    if isinstance(value, list):
        start = _list_start(expansion, part, value, offset)
    else:
        start = offset + len(value) if offset < 0 else offset
        start = None if start < 0 or start > len(value) else start
    if start is None:
        return [] if isinstance(value, list) else ""
    if len(part.operands) == 1:
        return value[start:]
    length = _operand_number(expansion, part, 1)
    end = start + length
    if length < 0:
        end = len(value) + length
        if isinstance(value, list) or end < start:
            raise ScriptError(f"${{{part.text[:60]}}} has a negative length")
    return value[start:end]


def _operand_number(expansion: Expansion, part: Parameter, index: int) -> int:
    return expansion.shell.calculate(expansion.text(part.operands[index]))


def _list_start(expansion: Expansion, part: Parameter, value: list[str], offset: int) -> int | None:
    """Return the place in a list that an offset stands for, None when it is outside."""
    if part.name in "@*":
        if offset < 0:
            offset += len(value) + 1
            if offset < 0:
                return None
        if offset == 0:
            raise UnsupportedError("${@:0}, which begins with the name of the shell")
        return offset - 1 if offset <= len(value) + 1 else None
    variable = expansion.shell.variables.table.get(part.name)
    if variable is None or variable.kind != INDEXED:
        raise UnsupportedError("a slice of all elements of what is no indexed array")
    keys = sorted(int(key) for key in variable.items or ())
    if offset < 0 and keys:
        offset += keys[-1] + 1
        if offset < 0:
            return None
    return next((at for at, key in enumerate(keys) if key >= offset), None)


def _transformed(expansion: Expansion, part: Parameter, value: str | list[str]) -> str | list[str]:
    """Apply ``${name@Q}`` and its kin."""
    kind = part.raw[0]
    if isinstance(value, list) and len(value) > 1 and expansion.ifs()[:1] != " ":
        raise UnsupportedError(f"${{name[*]@{kind[:10]}}} while IFS does not begin with a space")
    if kind == "a":
        variable = expansion.shell.variables.table.get(part.name)
        if part.prefix or not (part.name[0].isalpha() or part.name[0] == "_"):
            raise UnsupportedError("@a on what is no variable's name")
        flags = _attributes(variable) if variable else ""
        return [flags for _ in value] if isinstance(value, list) else flags
    budget = expansion.shell.budget
    budget.spend(sum(map(len, value)) >> 5 if isinstance(value, list) else len(value) >> 5)
    changes: dict[str, Callable[[str], str]] = {
        "Q": quote,
        "U": lambda text: _change_case(text, "^^", "", False, budget),
        "L": lambda text: _change_case(text, ",,", "", False, budget),
        "u": lambda text: _change_case(text, "^", "", False, budget),
    }
    change = changes.get(kind)
    if change is None:
        raise UnsupportedError(f"${{name@{kind[:10]}}}")
    return [change(item) for item in value] if isinstance(value, list) else change(value)


def _attributes(variable: Variable) -> str:
    flags = variable.kind
    flags += "i" if variable.integer else ""
    flags += "r" if variable.readonly else ""
    flags += "x" if variable.exported else ""
    return flags + variable.lowercase


def quote(text: str) -> str:
    """Return text in quotes that bash reads back, as ``${name@Q}`` writes them."""
    if CONTROL.search(text):
        raise UnsupportedError("quoting a control character")
    if text == "'":
        return "\\'"
    return "'" + text.replace("'", "'\\''") + "'"

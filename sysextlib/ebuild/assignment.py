"""Assignments: scalars, elements, arrays, with the attributes that change what is stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.arithmetic import evaluate
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.parts import parse_parts, word_parts
from sysextlib.ebuild.variables import ASSOCIATIVE, INDEXED, SCALAR

if TYPE_CHECKING:
    from sysextlib.ebuild.nodes import Assign, Word
    from sysextlib.ebuild.shell import Shell
    from sysextlib.ebuild.variables import Variable

HIGHEST_INDEX: Final = 1_000_000
_KEPT_BY_SHELL: Final = frozenset({"FUNCNAME", "BASH_SOURCE", "BASH_VERSINFO", "LINENO", "RANDOM"})
_PLACE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(.+)\])?", re.DOTALL)


def assign(shell: Shell, node: Assign) -> None:
    """Carry out an assignment as written."""
    name = node.name
    if node.array is not None:
        if node.subscript is not None:
            raise ScriptError(f"{name}[...]=(...): a list in an element")
        assign_array(shell, name, node)
        return
    assert node.value is not None
    text = shell.expansion.word(node.value)
    if node.subscript is None:
        assign_text(shell, name, text, append=node.append)
    else:
        assign_element(shell, name, node.subscript.text, text, append=node.append)


def assign_text(shell: Shell, name: str, text: str, *, append: bool = False) -> None:
    """Set a variable, or element 0 of an array."""
    check_name(name)
    variables = shell.variables
    variable = variables.table.get(name)
    if variable is not None and (variable.integer or variable.lowercase or append):
        old = variable.scalar() or ""
        text = _adjusted(shell, variable, old if append else "", text)
    shell.budget.spend_text(len(text))
    variables.set(name, text)


def assign_element(
    shell: Shell, name: str, subscript: str, text: str, *, append: bool = False
) -> None:
    """Set an element of an array.

    :param subscript: as written, its expansions still to do.
    """
    check_name(name)
    variable = shell.variables.table.get(name)
    key = _key(shell, variable, subscript)
    if variable is not None:
        old = ""
        if append:
            items = variable.items or {}
            old = items.get(key, "")
            if variable.kind == SCALAR and key == 0:
                old = variable.text or ""
        text = _adjusted(shell, variable, old, text)
    shell.budget.spend_text(len(text))
    shell.variables.set_item(name, key, text)


def assign_array(shell: Shell, name: str, node: Assign) -> None:
    """Set or extend a whole array."""
    check_name(name)
    assert node.array is not None
    variable = shell.variables.table.get(name)
    if variable is None or variable.kind == SCALAR:
        # it is an array already while its elements are expanded
        variable = shell.variables.writable(name)
        variable.kind = INDEXED
        variable.items = None if variable.text is None else {0: variable.text}
        variable.text = None
    associative = variable.kind == ASSOCIATIVE
    if associative and any(subscript is None for subscript, _, _ in node.array):
        raise UnsupportedError("a list of keys and values for an associative array")
    # bash expands all of a list before it stores any of it
    found: list[tuple[int | str | None, str, bool]] = []
    plain: list[Word] = []
    for subscript, word, append in node.array:
        if subscript is None:
            plain.append(word)
            continue
        found += [(None, text, False) for text in shell.expansion.fields(plain)]
        plain = []
        text = shell.expansion.text(word_parts(word))
        found.append((_key(shell, variable, subscript.text), text, append))
    found += [(None, text, False) for text in shell.expansion.fields(plain)]
    variable = shell.variables.writable(name)  # an element may have got ${name[1]:=text}
    items = dict(variable.items or {}) if node.append else {}
    following = variable.end(shell.budget) if items and not associative else 0
    for key, text, append in found:
        place = following if key is None else key
        if variable.integer or variable.lowercase or append:
            text = _adjusted(shell, variable, items.get(place, "") if append else "", text)
        items[place] = text
        if isinstance(place, int):
            following = place + 1
    shell.budget.spend(len(found) + (len(items) >> 2))
    shell.budget.spend_text(sum(map(len, items.values())))
    shell.variables.set_items(name, items)


def _key(shell: Shell, variable: Variable | None, subscript: str) -> int | str:
    """Return the key that a subscript names."""
    if variable is not None and variable.kind == ASSOCIATIVE:
        key = shell.expansion.text(parse_parts(subscript))
        if not key:
            raise ScriptError("an empty subscript of an associative array")
        return key
    index = shell.index(subscript)
    if index < 0 and variable is not None and variable.kind == INDEXED:
        index += variable.end(shell.budget)
    if not 0 <= index <= HIGHEST_INDEX:
        raise ScriptError(f"an array subscript of {index}")
    return index


def _adjusted(shell: Shell, variable: Variable, old: str, text: str) -> str:
    if variable.integer:
        number = evaluate(text, shell)
        return str(number + (int(old) if old.lstrip("-").isdigit() else 0))
    text = old + text
    if variable.lowercase:
        if not text.isascii():
            raise UnsupportedError("a change of case in text that is not ASCII")
        text = text.lower() if variable.lowercase == "l" else text.upper()
    return text


def assign_place(shell: Shell, place: str, text: str) -> None:
    """Set a variable or element that a command names, as printf -v does."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise ScriptError(f"{place[:60]!r} is no name of a variable")
    if match[2] is None:
        assign_text(shell, match[1], text)
    else:
        assign_element(shell, match[1], match[2], text)


def check_word(word: str) -> None:
    """Refuse a word that cannot be the name of a variable.

    :raises ScriptError: it is none.
    """
    match = _PLACE.fullmatch(word)
    if match is None or match[2] is not None:
        raise ScriptError(f"{word[:60]!r} is no name of a variable")


def check_name(name: str) -> None:
    """Refuse to set what the shell keeps itself."""
    if name in _KEPT_BY_SHELL:
        raise UnsupportedError(f"an assignment to {name}")

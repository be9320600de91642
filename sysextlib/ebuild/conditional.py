"""``[[ ]]`` and ``test``: what is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild import ere
from sysextlib.ebuild.failure import ScriptError, UnsupportedError
from sysextlib.ebuild.parameter import plain_value
from sysextlib.ebuild.parts import Parameter, word_parts
from sysextlib.ebuild.pattern import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from sysextlib.ebuild.nodes import Test, Word
    from sysextlib.ebuild.shell import Shell

_NUMBERS: Final[dict[str, Callable[[int, int], bool]]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_FILES: Final[dict[str, Callable[[Path], bool]]] = {
    "-e": Path.exists,
    "-a": Path.exists,
    "-f": Path.is_file,
    "-d": Path.is_dir,
    "-h": Path.is_symlink,
    "-L": Path.is_symlink,
}
_PLACE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(.*)\])?", re.DOTALL)


def holds(shell: Shell, test: Test) -> bool:
    """Tell whether the expression of ``[[ ]]`` holds."""
    operator = test[0]
    if operator == "!":
        return not holds(shell, test[1])
    if operator == "&&":
        return holds(shell, test[1]) and holds(shell, test[2])
    if operator == "||":
        return holds(shell, test[1]) or holds(shell, test[2])
    if len(test) == 2:
        return unary(shell, operator, shell.expansion.operand(test[1]))
    left = shell.expansion.operand(test[1])
    if operator in {"==", "=", "!="}:
        matches = _matches(shell, left, test[2])
        return matches if operator != "!=" else not matches
    if operator == "=~":
        return _regex(shell, left, test[2])
    right = shell.expansion.operand(test[2])
    if operator in _NUMBERS:
        return _NUMBERS[operator](shell.calculate(left), shell.calculate(right))
    return binary(operator, left, right)


def _matches(shell: Shell, left: str, word: Word) -> bool:
    if word.plain:
        return left == word.text
    spelled = shell.expansion.pattern(word_parts(word))
    return compile_pattern(spelled, extended=True, budget=shell.budget).fullmatch(
        left, shell.budget
    )


def _regex(shell: Shell, left: str, word: Word) -> bool:
    found = ere.search(shell.expansion.regex(word_parts(word)), left, shell.budget)
    groups = dict(enumerate(found or []))
    shell.variables.set_items("BASH_REMATCH", groups)  # type: ignore[arg-type]
    return found is not None


def unary(shell: Shell, operator: str, operand: str) -> bool:
    """Tell whether a test of one operand holds."""
    if operator == "-n":
        return operand != ""
    if operator == "-z":
        return operand == ""
    if operator == "-v":
        return _is_set(shell, operand)
    if operator == "-o":
        return operand in shell.options
    if operator in {"-R", "-t"}:
        return False
    if operator in _FILES:
        if not operand:
            return False
        if not operand.startswith("/"):
            raise UnsupportedError(f"{operator} of a file in the current folder")
        # The one thing that is asked of the machine, because Portage asks it too.
        try:
            return _FILES[operator](Path(operand))
        except (OSError, ValueError):
            return False
    raise UnsupportedError(f"the test {operator}")


def binary(operator: str, left: str, right: str) -> bool:
    """Tell whether a comparison of two texts holds."""
    if operator in {"=", "=="}:
        return left == right
    if operator == "!=":
        return left != right
    if operator in {"<", ">"}:
        if not (left.isascii() and right.isascii()):
            raise UnsupportedError("the order of texts that are not ASCII")
        return left < right if operator == "<" else left > right
    raise UnsupportedError(f"the test {operator}")


def _is_set(shell: Shell, operand: str) -> bool:
    """Tell what ``-v`` does: an array by its name alone is asked for element 0."""
    match = _PLACE.fullmatch(operand)
    if match is None:
        if "[" not in operand and not operand.isdigit():
            return False
        raise UnsupportedError(f"-v {operand[:60]!r}, which is no variable")
    name, subscript = match.groups()
    variable = shell.variables.get(name)
    if subscript is None:
        return variable.is_set if variable else False
    if subscript in {"@", "*"}:
        return bool(variable and variable.values())
    return plain_value(shell.expansion, Parameter(name, subscript)) is not None


def test_command(shell: Shell, arguments: list[str]) -> int:
    """Return the status of ``test``: 0, 1, or 2 when it is not understood.

    Three arguments and fewer are decided by their number, as POSIX has it.
    """
    return 0 if _test(shell, arguments) else 1


def _test(shell: Shell, words: list[str]) -> bool:
    count = len(words)
    if count == 0:
        return False
    if count == 1:
        return words[0] != ""
    if count == 2:
        if words[0] == "!":
            return words[1] == ""
        return unary(shell, words[0], words[1])
    if count == 3:
        left, operator, right = words
        if operator in _NUMBERS:
            return _NUMBERS[operator](_integer(left), _integer(right))
        if operator in {"=", "==", "!=", "<", ">"}:
            return binary(operator, left, right)
        if operator in {"-a", "-o"}:
            either = (left != "", right != "")
            return all(either) if operator == "-a" else any(either)
        if left == "!":
            return not _test(shell, words[1:])
        if left == "(" and right == ")":
            return words[1] != ""
        raise UnsupportedError(f"the test {operator[:20]}")
    if words[0] == "!" and count == 4:
        return not _test(shell, words[1:])
    for operator in ("-o", "-a"):
        if operator in words[1:-1] and "(" not in words:
            at = words.index(operator, 1)
            parts = (_test(shell, words[:at]), _test(shell, words[at + 1 :]))
            return any(parts) if operator == "-o" else all(parts)
    raise UnsupportedError("a test of many arguments")


def _integer(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise ScriptError(f"test: {text[:40]!r} is no number") from None

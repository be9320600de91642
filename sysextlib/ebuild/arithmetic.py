"""Arithmetic of bash: 64-bit numbers, variables by name, no expansion left to do."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from lark import Lark, Transformer, UnexpectedToken
from lark.lexer import Lexer

from sysextlib.ebuild.failure import ScriptError
from sysextlib.ebuild.nodes import Token
from sysextlib.ebuild.scan import subscript_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.ebuild.budget import Budget

LONGEST: Final = 10_000
"""Characters of the longest expression."""

LONGEST_NUMBER: Final = 1000
"""Digits; Python itself refuses to read some thousands."""

_MOST_KEPT: Final = 4096  # parsed expressions
_DEEPEST: Final = 20  # variables that hold expressions that name variables ...
_MASK: Final = (1 << 64) - 1
_SPACE: Final = re.compile(r"\s+")
_PLAIN_NUMBER: Final = re.compile(r"-?[1-9][0-9]{0,18}")
_TOKEN: Final = re.compile(
    r"(?P<NUMBER>[0-9]+#[0-9A-Za-z@_]+|0[xX][0-9a-fA-F]+|[0-9]+(?![0-9A-Za-z_#]))"
    r"|(?P<NAME>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<ASSIGN>(?:\*|/|%|\+|-|<<|>>|&|\^|\|)?=(?!=))"
    r"|(?P<OR>\|\|)|(?P<AND>&&)|(?P<SHIFT><<|>>)|(?P<EQUAL>==|!=)|(?P<RELATION><=|>=|<|>)"
    r"|(?P<STEP>\+\+|--)|(?P<POWER>\*\*)|(?P<ADD>[+-])|(?P<MULTIPLY>[*/%])|(?P<NOT>[!~])"
    r"|(?P<QUESTION>\?)|(?P<COLON>:)|(?P<COMMA>,)|(?P<BITAND>&)|(?P<BITXOR>\^)|(?P<BITOR>\|)"
    r"|(?P<OPEN>\()|(?P<CLOSE>\))"
)

Expression: TypeAlias = "tuple[Any, ...]"
_KEPT: Final[dict[str, Expression]] = {}


class Variables(Protocol):
    """What arithmetic reads and writes."""

    budget: Budget

    def number_text(self, name: str, subscript: str | None) -> str:
        """Return the text of a variable, "" when it is not set."""

    def set_number(self, name: str, subscript: str | None, value: int) -> None:
        """Set a variable."""


class _Tokens(Lexer):
    def __init__(self, lexer_conf: object) -> None:
        """Take what lark gives to any lexer; this one needs nothing of it."""

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]
        at = 0
        operand = False  # whether the token before ends an operand
        while at < len(data):
            space = _SPACE.match(data, at)
            if space:
                at = space.end()
                continue
            match = _TOKEN.match(data, at)
            if match is None:
                raise ScriptError(f"{data[at : at + 20]!r} in arithmetic")
            kind, end = str(match.lastgroup), match.end()
            if kind == "STEP" and not operand and not _names(data, end):
                kind, end = "ADD", at + 1  # two signs: - -1
            if kind == "NAME" and data.startswith("[", end):
                end = subscript_end(data, end)
                if not end:
                    raise ScriptError("an unterminated subscript in arithmetic")
            yield Token(kind, data[at:end], 1, at)
            operand = kind in {"NUMBER", "NAME", "CLOSE"}
            at = end


def _names(text: str, at: int) -> bool:
    return re.compile(r"\s*[A-Za-z_]").match(text, at) is not None


class _Expressions(Transformer[Token, Any]):
    def only(self, children: list[Any]) -> Any:
        return children[0]

    start = comma = assign = ternary = ternary_or_assign = or_ = and_ = bit_or = only
    bit_xor = bit_and = equal = relation = shift = sum = product = power = unary = only

    def comma_of(self, children: list[Any]) -> Expression:
        return (",", children[0], children[2])

    def assign_of(self, children: list[Any]) -> Expression:
        name, operator, value = children
        return ("=", operator.text[:-1], _place(name), value)

    def ternary_of(self, children: list[Any]) -> Expression:
        return ("?", children[0], children[2], children[4])

    def binary(self, children: list[Any]) -> Expression:
        return ("binary", children[1].text, children[0], children[2])

    def unary_of(self, children: list[Any]) -> Expression:
        return ("unary", children[0].text, children[1])

    def before(self, children: list[Any]) -> Expression:
        return ("before", children[0].text, _place(children[1]))

    def behind(self, children: list[Any]) -> Expression:
        return ("behind", children[1].text, _place(children[0]))

    def number(self, children: list[Any]) -> Expression:
        return ("number", _number(children[0].text))

    def variable(self, children: list[Any]) -> Expression:
        return ("variable", _place(children[0]))

    def group(self, children: list[Any]) -> Expression:
        return cast("Expression", children[1])


def _place(token: Token) -> tuple[str, str | None]:
    """Return the name and the subscript of a variable."""
    name, bracket, rest = token.text.partition("[")
    return name, rest[:-1] if bracket else None


def _number(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ScriptError("a number that is too long")
    if "#" in text:
        base_text, digits = text.split("#")
        base = int(base_text)
        if not 2 <= base <= 36:
            raise ScriptError(f"base {base} in arithmetic")
    elif text[:2] in {"0x", "0X"}:
        base, digits = 16, text[2:]
    elif text[0] == "0" and len(text) > 1:
        base, digits = 8, text
    else:
        base, digits = 10, text
    try:
        return _wrap(int(digits, base))
    except ValueError:
        raise ScriptError(f"{text[:40]!r} is no number of base {base}") from None


@functools.cache
def _grammar() -> Lark:
    return Lark(
        (Path(__file__).parent / "grammar" / "arithmetic.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer=_Tokens,
        transformer=_Expressions(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def _kept(text: str, budget: Budget) -> Expression:
    """Return an expression parsed, from a cache or at its price."""
    found = _KEPT.get(text)
    if found is None:
        budget.spend(10 * len(text))
        found = parse_arithmetic(text)
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[text] = found
    return found


def parse_arithmetic(text: str) -> Expression:
    """Parse an expression.

    :raises ScriptError: it is none.
    """
    if len(text) > LONGEST:
        raise ScriptError("an arithmetic expression that is too long")
    stripped = text.strip()
    if not stripped:
        return ("number", 0)
    if _PLAIN_NUMBER.fullmatch(stripped):
        return ("number", _number(stripped))
    try:
        return cast("Expression", _grammar().parse(stripped))
    except (UnexpectedToken, RecursionError):
        raise ScriptError(f"{stripped[:60]!r} is no arithmetic expression") from None


def evaluate(text: str, variables: Variables, depth: int = 0) -> int:
    """Return the value of an expression.

    :raises ScriptError: it is none, or divides by zero.
    """
    if depth > _DEEPEST:
        raise ScriptError("arithmetic on variables that name each other")
    return _value(_kept(text, variables.budget), variables, depth)


def _value(node: Expression, variables: Variables, depth: int) -> int:
    variables.budget.spend(2)
    kind = node[0]
    if kind == "number":
        return cast("int", node[1])
    if kind == "variable":
        return _read(node[1], variables, depth)
    if kind == "binary":
        return _binary(node, variables, depth)
    if kind == "unary":
        value = _value(node[2], variables, depth)
        if node[1] == "!":
            return int(not value)
        return _wrap(~value if node[1] == "~" else -value if node[1] == "-" else value)
    if kind == "=":
        _, operator, place, expression = node
        if operator:
            value = _calculate(
                operator,
                _read(place, variables, depth),
                _value(expression, variables, depth),
            )
        else:
            value = _value(expression, variables, depth)
        name, subscript = place
        variables.set_number(name, subscript, value)
        return value
    if kind in {"before", "behind"}:
        old = _read(node[2], variables, depth)
        new = _wrap(old + (1 if node[1] == "++" else -1))
        name, subscript = node[2]
        variables.set_number(name, subscript, new)
        return new if kind == "before" else old
    if kind == "?":
        chosen = node[2] if _value(node[1], variables, depth) else node[3]
        return _value(chosen, variables, depth)
    _value(node[1], variables, depth)  # a comma
    return _value(node[2], variables, depth)


def _read(place: tuple[str, str | None], variables: Variables, depth: int) -> int:
    text = variables.number_text(*place)
    return evaluate(text, variables, depth + 1) if text else 0


def _binary(node: Expression, variables: Variables, depth: int) -> int:
    _, operator, left, right = node
    if operator == "&&":
        return int(bool(_value(left, variables, depth) and _value(right, variables, depth)))
    if operator == "||":
        return int(bool(_value(left, variables, depth) or _value(right, variables, depth)))
    return _calculate(operator, _value(left, variables, depth), _value(right, variables, depth))


def _calculate(operator: str, left: int, right: int) -> int:
    if operator in {"/", "%"}:
        if right == 0:
            raise ScriptError("a division by zero")
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return _wrap(quotient if operator == "/" else left - quotient * right)
    if operator == "**":
        if right < 0:
            raise ScriptError("a power with a negative exponent")
        return _wrap(pow(left, right, 1 << 64))
    if operator in {"<<", ">>"}:
        if right < 0:
            raise ScriptError("a shift by a negative number")
        return _wrap(left << (right & 63) if operator == "<<" else left >> (right & 63))
    return _wrap(int(_SIMPLE[operator](left, right)))


_SIMPLE: Final = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def _wrap(value: int) -> int:
    """Return a number as 64 bits with a sign hold it."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value

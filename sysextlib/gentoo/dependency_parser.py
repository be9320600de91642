"""The edge to lark: dependency-style text in, items with their places out, or one clear error."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from lark import Lark, Transformer, UnexpectedToken
from lark.lexer import Lexer

from sysextlib.errors import ValueSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LENGTH: Final = 4 << 20
"""Characters of the longest text read; the longest SRC_URI known are a tenth of it."""

MAX_DEPTH: Final = 100
"""Groups within groups; real ones have ten at most."""


class Word:
    """A token as lark wants it, but cheaper to make than lark's own.

    :ivar at: its 0-based offset in the text.
    """

    __slots__ = ("at", "text", "type")

    # Read by lark when it makes up the token that ends the text.
    line = column = end_line = end_column = start_pos = end_pos = None

    def __init__(self, kind: str, text: str, at: int) -> None:
        self.type = kind
        self.text = text
        self.at = at


@dataclass(frozen=True, slots=True)
class Group:
    """Items in parentheses, and the operator or condition before them if there is one."""

    operator: Word | None
    items: tuple[Item, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Renamed:
    """A URI and the file name after the arrow."""

    uri: Word
    name: Word


Item: TypeAlias = "Word | Renamed | Group"

_KINDS: Final = {
    "(": "OPEN",
    ")": "CLOSE",
    "->": "ARROW",
    "||": "OPERATOR",
    "^^": "OPERATOR",
    "??": "OPERATOR",
}


def parse_items(text: str) -> tuple[Item, ...]:
    """Parse the text of a dependency-style value, whichever it is.

    :raises ValueSyntaxError: parentheses, operators or arrows do not fit together, or the text
        is longer or deeper than any real one.
    """
    if len(text) > MAX_LENGTH:
        brief = f"{len(text)} characters are more than any dependency has (at most {MAX_LENGTH})"
        raise ValueSyntaxError(brief, text=text[:200])
    try:
        # cast: lark's stubs know neither what a transformer makes nor a lexer of one's own.
        return tuple(cast("list[Item]", _grammar().parse(text)))
    except UnexpectedToken as error:
        raise _refusal(text, error) from None


class _Words(Lexer):
    """Splits at white space."""

    def __init__(self, lexer_conf: object) -> None:
        """Take what lark gives to any lexer; this one needs nothing of it."""

    def lex(self, data: str) -> Iterator[Word]:  # type: ignore[override]
        depth = 0
        for match in re.finditer(r"\S+", data):
            text = match.group()
            kind = _KINDS.get(text)
            if kind is None:
                kind = "CONDITION" if text[-1] == "?" else "WORD"
            elif kind == "OPEN":
                depth += 1
                if depth > MAX_DEPTH:
                    brief = f"groups are nested more than {MAX_DEPTH} deep"
                    raise ValueSyntaxError(brief, text=data, column=match.start())
            elif kind == "CLOSE":
                depth -= 1
            yield Word(kind, text, match.start())


class _Items(Transformer[Word, "list[Item]"]):
    """Builds the items while lark parses; each rule adds to the list that its first child is."""

    def no_items(self, _: list[object]) -> list[Item]:
        return []

    def word(self, children: tuple[list[Item], Word]) -> list[Item]:
        items, word = children
        items.append(word)
        return items

    def renamed(self, children: tuple[list[Item], Word, Word, Word]) -> list[Item]:
        items, uri, _, name = children
        items.append(Renamed(uri, name))
        return items

    def group(self, children: tuple[list[Item], Word, list[Item], Word]) -> list[Item]:
        items, opening, inner, _ = children
        items.append(Group(None, tuple(inner), opening.at))
        return items

    def group_of(self, children: tuple[list[Item], Word, Word, list[Item], Word]) -> list[Item]:
        items, operator, _, inner, _ = children
        items.append(Group(operator, tuple(inner), operator.at))
        return items


@functools.cache
def _grammar() -> Lark:
    return Lark(
        (Path(__file__).parent / "grammar" / "dependency.lark").read_text(encoding="utf-8"),
        parser="lalr",
        start="items",
        lexer=_Words,
        transformer=_Items(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def _unclosed(text: str) -> int | None:
    """Return where the innermost group begins that is open at the end of ``text``."""
    opened = []
    for match in re.finditer(r"\S+", text):
        if match.group() == "(":
            opened.append(match.start())
        elif match.group() == ")" and opened:
            opened.pop()
    return opened[-1] if opened else None


def _error(text: str, column: int, brief: str) -> ValueSyntaxError:
    return ValueSyntaxError(brief, text=text, column=column)


def _refusal(text: str, error: UnexpectedToken) -> ValueSyntaxError:
    """Say which rule is broken, and show where."""
    token = error.token
    if token.type == "$END":
        opened = _unclosed(text)
        if opened is not None:
            return _error(text, opened, "the group that opens here is never closed")
        word = re.search(r"\S+\s*\Z", text)
        at = word.start() if word else 0
        last = text[at:].strip()
        after = "a file name" if last == "->" else "a group in parentheses"
        return _error(text, at, f"{last!r} must be followed by {after}")
    found = cast("Word", token)
    if found.type == "CLOSE" and _unclosed(text[: found.at]) is None:
        return _error(text, found.at, "this parenthesis closes no group")
    before = text[: found.at].split()[-1] if found.at else ""
    if before == "->":
        return _error(text, found.at, f"'->' must be followed by a file name, not {found.text!r}")
    if _KINDS.get(before) == "OPERATOR" or before.endswith("?"):
        brief = f"{before[:80]!r} must be followed by a group in parentheses"
        return _error(text, found.at, f"{brief}, not {found.text[:80]!r}")
    return _error(text, found.at, f"{found.text[:80]!r} must follow a URI")

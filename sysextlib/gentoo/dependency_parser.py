"""The edge to lark: dependency-style text in, items with their places out, or one clear error."""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from lark import Lark, Transformer, UnexpectedToken
from lark.lexer import Lexer

from sysextlib.errors import ValueSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LENGTH: Final = 2 << 20
"""Characters of the longest text read; the longest SRC_URI known are a tenth of it."""

MAX_DEPTH: Final = 100
"""Groups within groups; real ones have ten at most."""


class Word:
    """A token as lark wants it, but cheaper to make than lark's own.

    :ivar at: the number of words before it in the text.
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
    """Items in parentheses, and the operator or condition before them if there is one.

    :param at: the number of the word that begins it.
    """

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
        for at, text in enumerate(data.split()):
            kind = _KINDS.get(text)
            if kind is None:
                kind = "CONDITION" if text[-1] == "?" else "WORD"
            elif kind == "OPEN":
                depth += 1
                if depth > MAX_DEPTH:
                    raise error_at(data, at, f"groups are nested more than {MAX_DEPTH} deep")
            elif kind == "CLOSE":
                depth -= 1
            yield Word(kind, text, at)


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


def error_at(text: str, at: int, brief: str, *, shift: int = 0, hint: str = "") -> ValueSyntaxError:
    """Return an error that points at a word.

    :param at: the number of the word, from 0; :param shift: characters into it.
    """
    starts = (match.start() for match in re.finditer(r"\S+", text))
    column = next(itertools.islice(starts, at, None), len(text))
    return ValueSyntaxError(brief, text=text, column=column + shift, hint=hint)


def _refusal(text: str, error: UnexpectedToken) -> ValueSyntaxError:
    """Say which rule is broken, and show where."""
    words = text.split()
    ends = error.token.type == "$END"
    at = len(words) if ends else cast("Word", error.token).at
    found = "" if ends else words[at]
    before = words[at - 1] if at else ""
    wanted = ""
    if before == "->":
        wanted = "a file name"
    elif _KINDS.get(before) == "OPERATOR" or before.endswith("?"):
        wanted = "a group in parentheses"
    if wanted:
        instead = f", not by {found[:80]!r}" if found else ""
        return error_at(text, at - 1, f"{before[:80]!r} must be followed by {wanted}{instead}")
    if ends:
        return error_at(text, _open_at_end(words), "the group that opens here is never closed")
    if found == ")":
        return error_at(text, at, "this parenthesis closes no group")
    return error_at(text, at, f"{found[:80]!r} must follow a URI")


def _open_at_end(words: list[str]) -> int:
    """Return the number of the innermost ``(`` that is open at the end."""
    opened = []
    for at, word in enumerate(words):
        if word == "(":
            opened.append(at)
        elif word == ")":
            opened.pop()
    return opened[-1]

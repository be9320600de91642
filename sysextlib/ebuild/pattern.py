"""Glob patterns as bash matches them, extended ones included, without ever backtracking far.

A pattern is text in which a backslash quotes the next character. Patterns without extended groups
become regular expressions whose stars are atomic; the others are matched by sets of places, so that
no pattern takes more than quadratic time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.ebuild.brackets import bracket_regex, matching_places
from sysextlib.ebuild.failure import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.ebuild.budget import Budget

_GROUP: Final = re.compile(r"[?*+@!]\(")
_DEEPEST: Final = 20
_LONGEST_KEPT: Final = 500  # characters of patterns that are compiled once
_MOST_KEPT: Final = 2048


@dataclass(frozen=True, slots=True)
class One:
    """One character, by a regular expression; "" stands for any number of any."""

    regex: str


@dataclass(frozen=True, slots=True)
class Extended:
    """``@(a|b)`` and its kin."""

    kind: str
    choices: tuple[tuple[Node, ...], ...]


Node: TypeAlias = "One | Extended"
STAR: Final = One("")
_KEPT: Final[dict[tuple[str, bool], Pattern]] = {}


def escape(text: str) -> str:
    """Return the pattern that matches this text alone."""
    return re.sub(r"([*?\[\]\\@+!()|^-])", r"\\\1", text)


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_full", "_long", "_nodes", "_short", "classes", "extended", "literal", "stars")

    def __init__(self, nodes: tuple[Node, ...], literal: str | None, *, classes: bool) -> None:
        self._nodes = nodes
        self.literal = literal
        self.classes = classes
        self.extended = any(isinstance(node, Extended) for node in nodes)
        self.stars = sum(node is STAR for node in nodes)
        self._full: re.Pattern[str] | None = None
        self._long: re.Pattern[str] | None = None
        self._short: re.Pattern[str] | None = None
        if not self.extended and literal is None:
            self._compile()

    def _compile(self) -> None:
        parts = [""]
        for node in self._nodes:
            assert isinstance(node, One)
            if node is STAR:
                parts.append("")
            else:
                parts[-1] += node.regex
        head, *rest = parts
        middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
        last = rest[-1] if rest else ""
        flags = re.DOTALL
        self._long = re.compile(head + middle + (f".*{last}" if rest else ""), flags)
        self._short = re.compile(head + middle + (f"(?>.*?{last})" if rest else ""), flags)
        self._full = self._long

    def _charge(self, text: str, budget: Budget, *, square: bool) -> None:
        if self.classes and not text.isascii():
            raise UnsupportedError("[[:class:]] held against text that is not ASCII")
        size = len(text)
        if self.extended:
            budget.spend(size + 20)  # the rest as it is matched
        elif square and self.stars:
            budget.spend(size * size // 1000 + 1)
        else:
            budget.spend((size >> 6) + 1)

    def fullmatch(self, text: str, budget: Budget) -> bool:
        """Tell whether the whole text matches."""
        if self.literal is not None:
            return text == self.literal
        self._charge(text, budget, square=False)
        if self._full is not None:
            return self._full.fullmatch(text) is not None
        return bool(_Places(text, budget).ends(self._nodes, 1) >> len(text) & 1)

    def prefix(self, text: str, budget: Budget, *, longest: bool) -> int | None:
        """Return the length of the longest or shortest beginning that matches, or None."""
        if self.literal is not None:
            return len(self.literal) if text.startswith(self.literal) else None
        self._charge(text, budget, square=longest)
        regex = self._long if longest else self._short
        if regex is not None:
            match = regex.match(text)
            return match.end() if match else None
        ends = _Places(text, budget).ends(self._nodes, 1)
        return _highest(ends) if longest else _lowest(ends)

    def suffix(self, text: str, budget: Budget, *, longest: bool) -> int | None:
        """Return where the longest or shortest end that matches begins, or None."""
        size = len(text)
        if self.literal is not None:
            return size - len(self.literal) if text.endswith(self.literal) else None
        self._charge(text, budget, square=True)
        starts = range(size + 1) if longest else range(size, -1, -1)
        if not (self.stars or self.extended):
            starts = range(max(size - len(self._nodes), 0), size + 1)[:1]  # all match one length
        if self._full is not None:
            return next((at for at in starts if self._full.fullmatch(text, at)), None)
        places = _Places(text, budget)
        return next((at for at in starts if places.ends(self._nodes, 1 << at) >> size & 1), None)

    def matches(self, text: str, budget: Budget) -> Iterator[tuple[int, int]]:
        """Yield the places of the longest matches, from the left, none overlapping."""
        if self.literal is not None:
            at = text.find(self.literal) if self.literal else -1
            while at >= 0:
                budget.spend(1)
                yield at, at + len(self.literal)
                at = text.find(self.literal, at + len(self.literal))
            return
        self._charge(text, budget, square=True)
        if self._long is not None:
            for match in self._long.finditer(text):
                budget.spend(1)
                if match.end() > match.start():
                    yield match.span()
            return
        places = _Places(text, budget)
        at = 0
        while at < len(text):
            end = _highest(places.ends(self._nodes, 1 << at))
            if end is None or end <= at:
                at += 1
                continue
            yield at, end
            at = end


class _Places:
    """Matching by sets of places in one text; a set is the bits of a number."""

    def __init__(self, text: str, budget: Budget) -> None:
        self.text = text
        self.spend = budget.spend
        self.cost = 2 + (len(text) >> 8)
        self.all = (1 << (len(text) + 1)) - 1
        self.masks: dict[str, int] = {}

    def ends(self, nodes: tuple[Node, ...], starts: int) -> int:
        """Return where nodes can end that begin at any of the places ``starts``."""
        for node in nodes:
            if not starts:
                return 0
            self.spend(self.cost)
            if isinstance(node, Extended):
                starts = self._group(node, starts)
            elif node is STAR:
                starts = self.all & ~((starts & -starts) - 1)
            else:
                mask = self.masks.get(node.regex)
                if mask is None:
                    self.spend(len(self.text) >> 1)
                    mask = self.masks[node.regex] = matching_places(node.regex, self.text)
                starts = (starts & mask) << 1
        return starts

    def _group(self, node: Extended, starts: int) -> int:
        if node.kind == "!":
            found = 0
            for at in range(len(self.text) + 1):
                if starts >> at & 1:
                    behind = self.all & ~((1 << at) - 1)
                    found |= behind & ~self._any(node, 1 << at)
            return found
        if node.kind in "?@":
            return self._any(node, starts) | (starts if node.kind == "?" else 0)
        seen = frontier = self._any(node, starts)
        while frontier:
            frontier = self._any(node, frontier) & ~seen
            seen |= frontier
        return seen | (starts if node.kind == "*" else 0)

    def _any(self, node: Extended, starts: int) -> int:
        found = 0
        for choice in node.choices:
            found |= self.ends(choice, starts)
        return found


def _highest(mask: int) -> int | None:
    return mask.bit_length() - 1 if mask else None


def _lowest(mask: int) -> int | None:
    return (mask & -mask).bit_length() - 1 if mask else None


def compile_pattern(pattern: str, *, extended: bool, budget: Budget) -> Pattern:
    """Compile a pattern.

    :param extended: groups such as @(a|b) are understood.
    :raises ScriptError: it is longer than any real one.
    """
    found = _KEPT.get((pattern, extended))
    if found is None:
        budget.spend(6 * len(pattern))
        found = _compile(pattern, extended)
        if len(pattern) <= _LONGEST_KEPT:
            if len(_KEPT) >= _MOST_KEPT:
                _KEPT.clear()
            _KEPT[pattern, extended] = found
    return found


def _compile(pattern: str, extended: bool) -> Pattern:
    nodes, _ = _read(pattern, 0, extended=extended, inner=False, depth=0)
    literal = _literal(nodes)
    return Pattern(nodes, literal, classes="[:" in pattern)


def _literal(nodes: tuple[Node, ...]) -> str | None:
    text = []
    for node in nodes:
        if isinstance(node, Extended) or node is STAR or node.regex == ".":
            return None
        if node.regex.startswith("[") and len(node.regex) > 1:
            return None
        text.append(node.regex[-1])
    return "".join(text)


def _read(
    text: str, at: int, *, extended: bool, inner: bool, depth: int
) -> tuple[tuple[Node, ...], int]:
    """Read nodes up to the end, or in a group up to | or ) that ends them."""
    nodes: list[Node] = []
    last = text.rfind("]")
    while at < len(text):
        char = text[at]
        if inner and char in "|)":
            break
        if extended and _GROUP.match(text, at):
            group = _group(text, at, depth)
            if group:
                nodes.append(group[0])
                at = group[1]
                continue
        if char == "*":
            if not nodes or nodes[-1] is not STAR:
                nodes.append(STAR)
            at += 1
        elif char == "?":
            nodes.append(One("."))
            at += 1
        elif char == "[" and at < last and (bracket := bracket_regex(text, at, escapes=True)):
            nodes.append(One(bracket[0]))
            at = bracket[1]
        else:
            if char == "[" and ("[." in text[at:] or "[=" in text[at:]):
                raise UnsupportedError("a collating symbol in a pattern")
            if char == "\\" and at + 1 < len(text):
                at += 1
                char = text[at]
            nodes.append(One(_one(char)))
            at += 1
    return tuple(nodes), at


def _one(char: str) -> str:
    return char if char.isalnum() or char in " _" else "\\" + char


def _group(text: str, at: int, depth: int) -> tuple[Extended, int] | None:
    if depth > _DEEPEST:
        raise UnsupportedError("a pattern that is nested too deep")
    choices = []
    here = at + 1
    while True:
        nodes, here = _read(text, here + 1, extended=True, inner=True, depth=depth + 1)
        choices.append(nodes)
        if here >= len(text):
            return None
        if text[here] == ")":
            return Extended(text[at], tuple(choices)), here + 1

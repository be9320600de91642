"""POSIX extended regular expressions, for ``=~``: leftmost, longest, groups as POSIX has them.

Matching goes by sets of places, so that no expression takes more than polynomial time.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.ebuild.brackets import bracket_regex, matching_places
from sysextlib.ebuild.failure import UnsupportedError

if TYPE_CHECKING:
    from sysextlib.ebuild.budget import Budget

_BOUND: Final = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}")
MOST_REPEATS: Final = 255  # RE_DUP_MAX of POSIX


@dataclass(frozen=True, slots=True)
class One:
    """One character, by a regular expression."""

    regex: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """``^`` or ``$``."""

    kind: str


@dataclass(frozen=True, slots=True)
class Group:
    """``(a|b)``."""

    number: int
    choices: tuple[Sequence, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A node some number of times; ``most`` is None when there is no end."""

    node: Node
    least: int
    most: int | None


Node: TypeAlias = "One | Anchor | Group | Repeat"
Sequence: TypeAlias = "tuple[Node, ...]"


@functools.lru_cache(maxsize=512)
def compile_ere(pattern: str) -> tuple[Group, int]:
    """Compile an expression: the whole as group 0, and the number of groups.

    :raises UnsupportedError: it is wrong, or has what is not matched here.
    """
    reader = _Reader(pattern)
    whole = Group(0, reader.choices(0))
    if reader.at < len(pattern):
        raise UnsupportedError("an unbalanced parenthesis in a regular expression")
    return whole, reader.groups


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0

    def choices(self, depth: int) -> tuple[Sequence, ...]:
        if depth > 20:
            raise UnsupportedError("a regular expression that is nested too deep")
        found = [self._sequence(depth)]
        while self.text.startswith("|", self.at):
            self.at += 1
            found.append(self._sequence(depth))
        return tuple(found)

    def _sequence(self, depth: int) -> Sequence:
        nodes: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            node = self._atom(depth)
            nodes.append(self._repeated(node))
        return tuple(nodes)

    def _repeated(self, node: Node) -> Node:
        while self.at < len(self.text):
            char = self.text[self.at]
            bound = _BOUND.match(self.text, self.at)
            if char in "*+?":
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
                self.at += 1
            elif bound:
                least = int(bound[1][:6])
                most = int(bound[3][:6]) if bound[3] else (None if bound[2] else least)
                if least > MOST_REPEATS or (most or 0) > MOST_REPEATS:
                    raise UnsupportedError("a regular expression with a huge number of repeats")
                self.at = bound.end()
            else:
                break
            if isinstance(node, Repeat | Anchor):
                raise UnsupportedError("a regular expression that repeats a repeat or an anchor")
            node = Repeat(node, least, most)
        return node

    def _atom(self, depth: int) -> Node:
        char = self.text[self.at]
        if char == "(":
            self.at += 1
            self.groups += 1
            number = self.groups
            choices = self.choices(depth + 1)
            if not self.text.startswith(")", self.at):
                raise UnsupportedError("an unterminated group in a regular expression")
            self.at += 1
            return Group(number, choices)
        if char == "[":
            bracket = bracket_regex(self.text, self.at, escapes=False)
            if bracket is None:
                raise UnsupportedError("a bracket expression that is not understood")
            self.at = bracket[1]
            return One(bracket[0])
        if char in "*+?{":
            raise UnsupportedError("a regular expression that repeats nothing")
        self.at += 1
        if char in "^$":
            return Anchor(char)
        if char == ".":
            return One(".")
        if char == "\\":
            follows = self.text[self.at : self.at + 1]
            if not follows or follows.isalnum() or follows in "<>`'":
                raise UnsupportedError(f"\\{follows} in a regular expression")
            self.at += 1
            return One("\\" + follows)
        return One(char if char.isalnum() or char in " _" else "\\" + char)


def search(pattern: str, text: str, budget: Budget) -> list[str] | None:
    """Return the text of the match and of each group ("" when it took no part), or None."""
    whole, groups = compile_ere(pattern)
    if "[:" in pattern and not text.isascii():
        raise UnsupportedError("[[:class:]] held against text that is not ASCII")
    size = len(text)
    budget.spend((size + 4) * (size + 4) * (len(pattern) + 4) // 2000 + 20)
    matcher = _Matcher(text, budget)
    for start in range(size + 1):
        ends = matcher.ends_of((whole,), 1 << start)
        if ends:
            end = ends.bit_length() - 1
            spans: list[tuple[int, int] | None] = [None] * (groups + 1)
            matcher.capture((whole,), start, end, spans)
            return [text[span[0] : span[1]] if span else "" for span in spans]
    return None


class _Matcher:
    def __init__(self, text: str, budget: Budget) -> None:
        self.text = text
        self.budget = budget
        self.masks: dict[str, int] = {}

    def ends_of(self, sequence: Sequence, starts: int) -> int:
        for node in sequence:
            if not starts:
                return 0
            starts = self.ends(node, starts)
        return starts

    def ends(self, node: Node, starts: int) -> int:
        self.budget.spend(1)
        if isinstance(node, One):
            mask = self.masks.get(node.regex)
            if mask is None:
                mask = self.masks[node.regex] = matching_places(node.regex, self.text)
            return (starts & mask) << 1
        if isinstance(node, Anchor):
            return starts & (1 if node.kind == "^" else 1 << len(self.text))
        if isinstance(node, Group):
            found = 0
            for choice in node.choices:
                found |= self.ends_of(choice, starts)
            return found
        for _ in range(node.least):
            starts = self.ends(node.node, starts)
        seen = frontier = starts
        left = len(self.text) + 1 if node.most is None else node.most - node.least
        while frontier and left > 0:
            frontier = self.ends(node.node, frontier) & ~seen
            seen |= frontier
            left -= 1
        return seen

    def capture(
        self, sequence: Sequence, start: int, end: int, spans: list[tuple[int, int] | None]
    ) -> None:
        """Set the groups of a sequence that matches from ``start`` to ``end``.

        POSIX: each part, from the left, is as long as the rest allows.
        """
        for index, node in enumerate(sequence):
            rest = sequence[index + 1 :]
            middle = self._longest(node, rest, start, end)
            self._capture_one(node, start, middle, spans)
            start = middle

    def _longest(self, node: Node, rest: Sequence, start: int, end: int) -> int:
        ends = self.ends(node, 1 << start) & ((1 << (end + 1)) - 1)
        while ends:
            middle = ends.bit_length() - 1
            if not rest:
                return end
            ends &= ~(1 << middle)
            if self.ends_of(rest, 1 << middle) >> end & 1:
                self._check_choice(node, rest, ends, end)
                return middle
        raise AssertionError("a match that cannot be retraced")

    def _check_choice(self, node: Node, rest: Sequence, ends: int, end: int) -> None:
        """Refuse alternatives that match in several ways: the C library's choice is its own."""
        if not isinstance(node, Group) or len(node.choices) < 2:
            return
        while ends:
            middle = ends.bit_length() - 1
            ends &= ~(1 << middle)
            if self.ends_of(rest, 1 << middle) >> end & 1:
                raise UnsupportedError("a regular expression whose groups match in several ways")

    def _capture_one(
        self, node: Node, start: int, end: int, spans: list[tuple[int, int] | None]
    ) -> None:
        if isinstance(node, Group):
            spans[node.number] = (start, end)
            for choice in node.choices:
                if self.ends_of(choice, 1 << start) >> end & 1:
                    self.capture(choice, start, end, spans)
                    return
        elif isinstance(node, Repeat):
            done = 0
            while start < end:
                more = None if node.most is None else node.most - done - 1
                rest = Repeat(node.node, max(0, node.least - done - 1), more)
                middle = self._longest(node.node, (rest,), start, end)
                if middle == start:
                    return
                self._capture_one(node.node, start, middle, spans)
                start = middle
                done += 1

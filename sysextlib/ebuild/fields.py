"""The fields that a word becomes: put together of pieces, split at IFS, joined in quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sysextlib.ebuild.budget import Budget

DEFAULT_IFS: Final = " \t\n"
_DEFAULT_FIELD: Final = re.compile(r"[^ \t\n]+")


class Fields:
    """Fields that are being put together, each of pieces with whether they were quoted."""

    def __init__(self, ifs: str, budget: Budget) -> None:
        self.ifs = ifs
        self.budget = budget
        self.done: list[list[tuple[str, bool]]] = []
        self.pieces: list[tuple[str, bool]] = []
        self.open = False

    def add(self, text: str, *, quoted: bool) -> None:
        """Add a piece to the field that is open; open one when there is none."""
        self.pieces.append((text, quoted))
        self.open = True

    def end(self) -> None:
        """End the field that is open, if there is one."""
        if self.open:
            self.done.append(self.pieces)
            self.pieces = []
            self.open = False

    def split(self, text: str) -> None:
        """Add the result of an unquoted expansion."""
        if not text:
            return
        if self.ifs == DEFAULT_IFS:
            if text[0] in DEFAULT_IFS:
                self.end()
            words = _DEFAULT_FIELD.findall(text)
            self.budget.spend(len(words) + (len(text) >> 6))
            for word in words[:-1]:
                self.add(word, quoted=False)
                self.end()
            if words:
                self.add(words[-1], quoted=False)
                if text[-1] in DEFAULT_IFS:
                    self.end()
        elif not self.ifs:
            self.add(text, quoted=False)
        else:
            self.budget.spend(len(text))
            self._split_by(text)

    def _split_by(self, text: str) -> None:
        """Split at any IFS: blanks in it go in runs, each other character ends a field."""
        blanks = "".join(char for char in self.ifs if char in DEFAULT_IFS)
        at, size = 0, len(text)
        while at < size and text[at] in blanks:
            self.end()
            at += 1
        while at < size:
            start = at
            while at < size and text[at] not in self.ifs:
                at += 1
            if at > start:
                self.add(text[start:at], quoted=False)
            if at >= size:
                return
            while at < size and text[at] in blanks:
                at += 1
            if at < size and text[at] in self.ifs:
                self.open = True  # an empty field counts when a delimiter ends it
                at += 1
                while at < size and text[at] in blanks:
                    at += 1
            self.end()


class DoubleFields:
    """What one pair of double quotes adds to fields.

    :ivar keeps: it makes a field even when nothing comes of it.
    :ivar vanishes: but not when there is a ``$@`` of no elements in it.
    :ivar filled: a ``$@`` in it had elements.
    :ivar joined: a changed ``$*`` is in it. :ivar listed: a ``$@`` is.
    :ivar slashed: an operand has a backslash before a blank in it.
    :ivar count: of expansions in it.
    """

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.text: list[str] = []
        self.keeps = False
        self.vanishes = False
        self.filled = False
        self.joined = False
        self.listed = False
        self.slashed = False
        self.count = 0

    def add(self, text: str, *, joined: bool) -> None:
        """Add text; ``joined`` is that of a changed ``$*``."""
        self.joined = self.joined or joined
        self.text.append(text)
        self.keeps = True

    def add_all(self, values: list[str]) -> None:
        """Add the elements of ``$@``: all but the first begin a field."""
        self.filled = self.filled or bool(values)
        self.listed = True
        for index, value in enumerate(values):
            if index:
                self.fields.add(self.fields.budget.join("", self.text), quoted=True)
                self.fields.end()
                self.text = []
            self.text.append(value)


def split_fields(text: str, ifs: str, budget: Budget) -> list[str]:
    """Split text as an unquoted expansion of it is split."""
    fields = Fields(ifs, budget)
    fields.split(text)
    fields.end()
    return ["".join([piece for piece, _ in pieces]) for pieces in fields.done]

"""Package versions and their order (PMS 3.2 and 3.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sysextlib.errors import ValueSyntaxError

MAX_LENGTH: Final = 512
"""Characters of the longest version read; below what int() refuses to convert."""

VERSION: Final = (
    r"[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?"  # PMS 3.2
)
_VERSION = re.compile(
    r"([0-9]+)((?:\.[0-9]+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|p)[0-9]*)*)(?:-r([0-9]+))?"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")

# The end of the suffixes ranks between them: 1_rc comes before 1, and 1_p after it.
_RANK: Final = {"alpha": 0, "beta": 1, "pre": 2, "rc": 3, "": 4, "p": 5}
_END: Final = (_RANK[""], 0)

_Component: TypeAlias = "tuple[int, int, str]"
_Key: TypeAlias = "tuple[int, tuple[_Component, ...], str, tuple[tuple[int, int], ...], int]"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version with its revision.

    Two versions are equal when neither comes before the other (1.0 and 1.0-r0, 1.1 and 01.1);
    the text stays as it was written.
    """

    _key: _Key = field(repr=False)
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version.

        :raises ValueSyntaxError: it breaks PMS 3.2.
        """
        match = _VERSION.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None:
            raise _refusal(text)
        first, numbers, letter, suffixes, revision = match.groups()
        key = (
            int(first),
            tuple(_component(number) for number in numbers.split(".")[1:]),
            letter,
            (*(_suffix(s) for s in _SUFFIX.findall(suffixes)), _END) if suffixes else (_END,),
            int(revision or 0),
        )
        return cls(key, text)

    @property
    def revision(self) -> int:
        """The number after -r; 0 when there is none."""
        return self._key[4]

    @property
    def without_revision(self) -> Version:
        """The version that upstream gave."""
        if "-" not in self.text:
            return self
        return Version((*self._key[:4], 0), self.text.partition("-")[0])

    def __str__(self) -> str:
        return self.text


def _component(number: str) -> _Component:
    """Return the sort key of a component after the first (PMS algorithm 3.3).

    With a leading zero it is compared as a decimal fraction, that is, as text without the zeros
    at its end; such text is always less than that of a number without a leading zero.
    """
    return (0, 0, number.rstrip("0")) if number[0] == "0" else (1, int(number), "")


def _suffix(suffix: tuple[str, str]) -> tuple[int, int]:
    name, number = suffix
    return _RANK[name], int(number or 0)


def _refusal(text: str) -> ValueSyntaxError:
    hint = "a version is like 1.2.3b_rc4-r5: numbers, a letter, suffixes, a revision"
    if len(text) > MAX_LENGTH:
        return ValueSyntaxError(f"a version of {len(text)} characters", text=text, hint=hint)
    good = _VERSION.match(text)
    column = good.end() if good else 0
    brief = f"{text!r} is not a version" if text else "an empty version"
    return ValueSyntaxError(brief, text=text, column=column, hint=hint)

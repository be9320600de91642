"""How much an ebuild may cost: nearly all real ones need a hundredth of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.failure import ScriptError

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS: Final = 2_400_000
"""A unit is half a microsecond of work; an ebuild with 1000 lines of EGO_SUM needs half of them."""

COMMAND: Final = 16
"""Units of one command."""

LONGEST_VALUE: Final = 4_000_000
"""Characters of the longest value; the longest known has a twentieth of it."""

DEEPEST: Final = 40
"""Function calls, substitutions and eclasses within each other."""


class Budget:
    """What is left for one ebuild."""

    __slots__ = ("left",)

    def __init__(self, units: int = UNITS) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Take units.

        :raises ScriptError: there are not so many left.
        """
        self.left -= units
        if self.left < 0:
            raise ScriptError("it takes more steps than any real ebuild: an endless loop?")

    def spend_text(self, size: int) -> None:
        """Take what handling a text of ``size`` characters costs.

        :raises ScriptError: nothing is left, or no value may be so long.
        """
        if size > LONGEST_VALUE:
            raise ScriptError(f"a value of more than {LONGEST_VALUE} characters")
        self.spend(size >> 9)

    def join(self, separator: str, texts: Sequence[str]) -> str:
        """Return texts put together: paid for before the memory is taken.

        :raises ScriptError: nothing is left, or no value may be so long.
        """
        self.spend_text(sum(map(len, texts)) + len(separator) * len(texts))
        return separator.join(texts)

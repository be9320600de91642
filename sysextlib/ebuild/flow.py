"""How commands end early, and what is running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysextlib.ebuild.nodes import Function


class LoopEnd(Exception):  # noqa: N818 - no error
    """``break`` or ``continue``, for so many loops."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__()
        self.levels = levels
        self.again = again


class Return(Exception):  # noqa: N818 - no error
    """``return`` from a function or a sourced file."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


@dataclass(slots=True)
class Frame:
    """A function or sourced file that is running."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Defined:
    """A function that a script defined.

    :param file: the script, :param base: and the line before the text that its lines count from.
    :param extended: extended globs were on where it was defined, so that its body may have them.
    """

    function: Function
    file: str
    base: int
    extended: bool

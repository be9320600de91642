"""How commands end early, and what is running."""

from __future__ import annotations

from dataclasses import dataclass


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

"""How a build tells what it is doing: the pipeline speaks, a view listens."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """What the library calls; cli.py has the views. Every method may be called from any thread."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Show ``title`` as under way for the length of the block."""

    def advance(self, done: int, total: int) -> None:
        """Tell how far the innermost step of this thread is; units are the step's own."""

    def note(self, message: str) -> None:
        """Tell a fact worth a line."""

    def warn(self, message: str) -> None:
        """Tell something that the reader should act upon."""


class Silent:
    """A Progress that nobody watches."""

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:  # noqa: ARG002
        """Do nothing."""
        yield

    def advance(self, done: int, total: int) -> None:
        """Do nothing."""

    def note(self, message: str) -> None:
        """Do nothing."""

    def warn(self, message: str) -> None:
        """Do nothing."""

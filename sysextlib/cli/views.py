"""How a build shows itself: live on a terminal, as plain lines elsewhere, or not at all."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from sysextlib.errors import harmless
from sysextlib.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.progress import TaskID

    from sysextlib.progress import Progress


class View(Protocol):
    """The screen that several builds share; a context manager."""

    def build(self, name: str) -> Progress:
        """Return the Progress through which the build of ``name`` speaks."""

    def __enter__(self) -> View: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def choose_view(*, quiet: bool) -> View:
    """Return the view that fits where stderr leads."""
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else Plain()


class Quiet:
    """Shows nothing but warnings."""

    def build(self, name: str) -> Progress:
        """Return a Progress that only warns."""
        return _Warning(name)

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Warning(Silent):
    def __init__(self, name: str) -> None:
        self._name = name

    def warn(self, message: str) -> None:
        print(harmless(f"warning: {self._name}: {message}"), file=sys.stderr)


class Plain:
    """One line for each step that ends; for logs."""

    def build(self, name: str) -> Progress:
        """Return a Progress that prints lines under this name."""
        return _PlainBuild(name)

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _PlainBuild:
    def __init__(self, name: str) -> None:
        self._name = name

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self._say(f"failed: {title}")
            raise
        self._say(f"{title}  {time.monotonic() - started:.1f} s")

    def advance(self, done: int, total: int) -> None:
        pass

    def note(self, message: str) -> None:
        self._say(message)

    def warn(self, message: str) -> None:
        self._say(f"warning: {message}")

    def _say(self, text: str) -> None:
        print(harmless(f"{self._name}: {text}"), file=sys.stderr, flush=True)


class Live:
    """A line for each build under way, with its step, a bar and the time; done steps above."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[name]}"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )

    def build(self, name: str) -> Progress:
        """Return a Progress with a line of its own."""
        return _LiveBuild(self._progress, name)

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class _LiveBuild:
    def __init__(self, progress: object, name: str) -> None:
        from rich.progress import Progress

        assert isinstance(progress, Progress)
        self._progress = progress
        self._name = name
        self._lock = threading.Lock()
        self._open: list[str] = []
        self._task: TaskID | None = None

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        with self._lock:
            self._open.append(title)
        self._show(title)
        try:
            yield
        except BaseException:
            self._say(f"[red]✗[/red] {_escaped(title)}")
            raise
        else:
            took = time.monotonic() - started
            self._say(f"[green]✓[/green] {_escaped(title)} [dim]{took:.1f} s[/dim]")
        finally:
            with self._lock:
                self._open.remove(title)
                left = self._open[-1] if self._open else ""
            self._show(left)

    def advance(self, done: int, total: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def note(self, message: str) -> None:
        self._say(f"  {_escaped(message)}")

    def warn(self, message: str) -> None:
        self._say(f"[yellow]![/yellow] {_escaped(message)}")

    def _show(self, title: str) -> None:
        with self._lock:
            if self._task is not None:
                self._progress.remove_task(self._task)
                self._task = None
            if title:
                self._task = self._progress.add_task(_escaped(title), total=None, name=self._name)

    def _say(self, markup: str) -> None:
        self._progress.console.print(f"[bold]{_escaped(self._name)}[/bold] {markup}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(harmless(text))

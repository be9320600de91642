"""What ci/make-demo-board says while it works: plain lines, one a step."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal:
    """Speaks to standard output, a line at a time."""

    def say(self, line: str) -> None:
        print(line, flush=True)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show the step now, and how long it took when it is done."""
        sys.stdout.write(f"  {title} ... ")
        sys.stdout.flush()
        started = time.monotonic()
        try:
            yield
        except BaseException:
            print("failed", flush=True)
            raise
        print(f"{time.monotonic() - started:.1f} s", flush=True)

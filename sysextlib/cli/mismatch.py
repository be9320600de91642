"""What --ignore_version_mismatch lets through."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sysextlib.errors import VersionMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.cli.call import Call
    from sysextlib.progress import Progress


@contextlib.contextmanager
def mismatches_of(call: Call, progress: Progress) -> Iterator[None]:
    """Warn of a mismatch that the call says to ignore; raise any other, with the flag's name."""
    try:
        yield
    except VersionMismatchError as error:
        if not call.on("ignore_version_mismatch"):
            error.hint += ", or pass --ignore_version_mismatch"
            raise
        told = "; ".join(f"{name}: {value}" for name, value in error.facts.items())
        progress.warn(f"{error.brief}, which was asked to be ignored ({' '.join(told.split())})")

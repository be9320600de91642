"""One build at a time for one name in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from sysextlib.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` for the length of the block; the kernel frees it at any death.

    The file is gone afterwards, and one that a killed process left is taken over.

    :param what: what is locked, for the error.
    :raises LockedError: another process holds it; the error names its pid.
    """
    descriptor = _acquire(path, what)
    try:
        yield
    finally:
        # Removed while still held: who waits for the old file finds, once he has it, that the path
        # no longer leads to it, and begins again.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, what: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise LockedError(
                f"another build is at work on {what}",
                {"its pid": holder or "unknown", "lock": path},
                hint="wait for it, stop it, or choose another --image_builddir",
            ) from None
        if _leads_to(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor
        os.close(descriptor)


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False

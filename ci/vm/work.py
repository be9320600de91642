"""Folders in which machines run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# QEMU dies with whoever started it, however he ends.
BOUND = ("setpriv", "--pdeathsig=KILL")


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards, and remove those that killed runs left.

    Below /tmp, for the path of a socket may not be long. Each is locked while it is in use.
    """
    top = Path(tempfile.gettempdir(), f"build-sysext-vm-{os.getuid()}")
    top.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as alone:
            alone.callback(os.close, _lock(top, fcntl.LOCK_EX))
            _sweep(top)
            folder = Path(tempfile.mkdtemp(dir=top))
            stack.callback(os.close, _lock(folder, fcntl.LOCK_EX))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _sweep(top: Path) -> None:
    for left in top.iterdir():
        with contextlib.suppress(BlockingIOError):  # in use
            descriptor = _lock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)


def _lock(folder: Path, how: int) -> int:
    """Lock a folder until the descriptor that is returned is closed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor

"""A scratch folder for a build, and the one rename that makes its outputs appear.

In the output folder a build of NAME owns ``.NAME.lock``, ``.NAME.building`` (everything it makes)
and, for a moment, ``.NAME.ready``: its finished outputs. Renaming the one to the other is the
moment of success. What comes after only moves files out of ``.NAME.ready``; when the process dies
there, the next build of NAME moves the rest before it begins. A death before leaves nothing but
``.NAME.building``, which the next build removes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import LockedError, OutputError, SysextError, ToolError
from sysextlib.system.lock import locked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP}
)
NO_SPACE = 1 << 20  # bytes left on a disk that a tool has just failed to fill


@dataclass(frozen=True, slots=True)
class Staging:
    """Where one build works, and how it publishes."""

    output: Path
    name: str
    scratch: Path
    outputs: Path

    def folder(self, name: str) -> Path:
        """Return a folder of the scratch folder, made when it is not there."""
        folder = self.scratch / name
        folder.mkdir(exist_ok=True)
        return folder

    def publish(self, stale: Collection[str]) -> None:
        """Make every file in ``outputs`` appear in the output folder.

        :param stale: names that an earlier build may have left and that would now be out of date.
        """
        for name in os.listdir(self.outputs):
            _sync(self.outputs / name)
        names = sorted(os.listdir(self.outputs))
        for name in {*names, *stale}:
            if (self.output / name).is_dir():  # a rename would fail when half was published
                raise OutputError(
                    f"{name} cannot be written", {"is a folder": self.output / name}, "move it away"
                )
        ready = _ready(self.output, self.name)
        (self.outputs / STALE).write_text("".join(f"{n}\n" for n in stale if n not in names))
        self.outputs.rename(ready)
        _roll_forward(ready, self.output)


STALE = ".stale"
MOST_CALLS = 100  # that share scratch folders in one output folder


@contextlib.contextmanager
def staging(output: Path, name: str) -> Iterator[Staging]:
    """Lock ``name`` in the output folder, clean up after dead builds, and yield a fresh Staging.

    The scratch folder is removed at the end, whatever happened.

    :raises LockedError: another build of that name runs there.
    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    with _explained(output, opening=True):
        output.mkdir(parents=True, exist_ok=True)
        stack = contextlib.ExitStack()
        stack.enter_context(locked(output / f".{name}.lock", f"{name} in {output}"))
    with stack, _explained(output):
        _roll_forward(_ready(output, name), output)
        scratch = output / f".{name}.building"
        remove_tree(scratch)
        outputs = scratch / "outputs"
        outputs.mkdir(parents=True)
        try:
            yield Staging(output, name, scratch, outputs)
        finally:
            remove_tree(scratch)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all below it, also where a directory in it is not writable.

    What else may be there under its name, a symlink too, is removed and not followed.
    """
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
        return

    def make_writable_and_retry(_function: object, path: str, _info: object) -> None:
        parent = os.path.dirname(path)  # noqa: PTH120 - rmtree hands out strings
        for entry in (path,) if path == str(folder) else (parent, path):
            if os.path.isdir(entry) and not os.path.islink(entry):  # noqa: PTH112, PTH114
                os.chmod(entry, 0o700)  # noqa: PTH101
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            shutil.rmtree(path)
        else:
            os.unlink(path)  # noqa: PTH108

    shutil.rmtree(folder, onerror=make_writable_and_retry)


def _ready(output: Path, name: str) -> Path:
    return output / f".{name}.ready"


def _roll_forward(ready: Path, output: Path) -> None:
    """Finish a publication: remove what is out of date, move the images last, drop the folder.

    Whoever else can write to the output folder decides what lies there; no name leads out of it.
    """
    if ready.is_symlink() or not ready.is_dir():
        ready.unlink(missing_ok=True)  # nothing that a build left
        return
    stale = ready / STALE
    if stale.is_file():
        for name in stale.read_text(errors="surrogateescape").splitlines():
            if os.sep not in name and not (output / name).is_dir():
                (output / name).unlink(missing_ok=True)
    for name in sorted(os.listdir(ready), key=lambda n: (n.endswith(".raw"), n)):
        if name != STALE:
            (ready / name).rename(output / name)
    stale.unlink(missing_ok=True)
    ready.rmdir()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(output: Path, *, opening: bool = False) -> Iterator[None]:
    """Turn what the disk says into an OutputError.

    :param opening: nothing but the output folder is touched, so that it is to blame for all.
    """
    try:
        yield
    except ToolError as error:
        full = os.strerror(errno.ENOSPC) in str(error)
        if full or (output.exists() and shutil.disk_usage(output).free < NO_SPACE):
            raise OutputError(
                f"no space left for {output}", {"seen by": error.brief, **error.facts}
            ) from error
        raise
    except SysextError:
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OutputError(f"no space left for {output}", {"path": error.filename}) from error
        if opening or error.errno in REFUSALS:
            raise OutputError(
                f"cannot write to {output}",
                {"path": error.filename, "reason": error.strerror},
                hint="choose a folder of yours with --image_builddir",
            ) from error
        raise


@contextlib.contextmanager
def shared_scratch(output: Path) -> Iterator[Path]:
    """Yield an empty folder in the output folder for what the builds of one call share.

    It is removed at the end. One that a killed call left is taken over by the next.
    """
    with _explained(output, opening=True):
        output.mkdir(parents=True, exist_ok=True)
    with _explained(output):
        for number in range(MOST_CALLS):
            with contextlib.ExitStack() as stack:
                try:
                    lock = output / f".shared-{number}.lock"
                    stack.enter_context(locked(lock, f"the scratch folder {number} of {output}"))
                except LockedError:
                    continue
                folder = output / f".shared-{number}.building"
                remove_tree(folder)
                folder.mkdir()
                try:
                    yield folder
                finally:
                    remove_tree(folder)
                return
        raise LockedError(f"{MOST_CALLS} calls are at work in {output}")

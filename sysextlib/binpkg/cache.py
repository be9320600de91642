"""Downloaded packages, by their digest, shared by all builds of a machine.

A file bears its final name only after its digest was seen to be right. It is downloaded under
another name that is locked meanwhile: a second build that wants the same package waits and then
finds it; after a kill the next one goes on where the first was stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import IO, TYPE_CHECKING

from sysextlib.binpkg.index import DIGESTS
from sysextlib.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CHUNK = 1 << 20


class PackageCache:
    """A folder of verified files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified: set[tuple[Path, int, int, int]] = set()

    def find(self, digests: Mapping[str, str]) -> Path | None:
        """Return the file that has these digests, or None; one that lost them is removed.

        A file is read once in the life of this object, and again when it changed.
        """
        path = self._path(digests)
        if not path.is_file():
            return None
        if self.is_intact(path, digests):
            return path
        path.unlink(missing_ok=True)
        return None

    def is_intact(self, path: Path, digests: Mapping[str, str]) -> bool:
        """Return whether a file has the strongest of these digests, remembering that it has."""
        seen = _identity(path)
        if seen in self._verified:
            return True
        name = strongest(digests)
        if name is None or file_digest(path, name) != digests[name]:
            return False
        self._verified.add(seen)
        return True

    @contextlib.contextmanager
    def downloading(self, digests: Mapping[str, str]) -> Iterator[IO[bytes]]:
        """Open the partial file of a package, which no one else writes meanwhile.

        :raises OutputError: the cache cannot be written.
        """
        path = self._path(digests)
        partial = path.with_name(path.name + ".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = open_alone(partial)
        except OSError as error:
            raise OutputError(
                "the cache cannot be written",
                {"folder": self._folder, "reason": error.strerror},
                hint="make room, or name another cache with BUILD_SYSEXT_CACHE",
            ) from error
        with file:
            yield file

    def keep(self, file: IO[bytes], digests: Mapping[str, str]) -> Path | None:
        """Give a finished download its name; None, and a fresh start, when a digest is wrong."""
        path = self._path(digests)
        partial = path.with_name(path.name + ".part")
        file.flush()
        if not self.is_intact(partial, digests):
            file.truncate(0)
            return None
        os.fsync(file.fileno())  # a name must not outlive a power cut without its bytes
        partial.rename(path)
        self._verified.add(_identity(path))
        return path

    def _path(self, digests: Mapping[str, str]) -> Path:
        name = strongest(digests)
        assert name is not None
        return self._folder / f"{name.lower()}-{digests[name]}"


def strongest(digests: Mapping[str, str]) -> str | None:
    """Return the name of the strongest digest there is, or None."""
    return next((name for name in DIGESTS if name in digests), None)


def file_digest(path: Path, name: str) -> str:
    """Return a digest of a file in lower-case hex; ``name`` is the index's."""
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(name.lower(), usedforsecurity=False)
        ).hexdigest()


def _identity(path: Path) -> tuple[Path, int, int, int]:
    status = path.stat()
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def open_alone(path: Path) -> IO[bytes]:
    """Open a file to append and read, once no one else has it locked and it bears its name."""
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                return file
        except FileNotFoundError:  # whoever held the lock has finished, and renamed it
            pass
        except BaseException:
            file.close()
            raise
        file.close()

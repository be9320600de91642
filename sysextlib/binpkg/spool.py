"""Files that hold unpacked bytes for the length of a build."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sysextlib.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ZEROS = bytes(1 << 20)


class Spool:
    """A file that is written once, from its start to its end."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self.path = path
        self.position = 0

    @classmethod
    @contextlib.contextmanager
    def create(cls, folder: Path, name: str) -> Iterator[Spool]:
        """Make a file below ``folder``, which goes away again when the block raises.

        :raises OutputError: it cannot be made.
        """
        stem = name.replace("/", "_")[:100]
        try:
            descriptor, path = tempfile.mkstemp(prefix=f"{stem}-", suffix=".spool", dir=folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield cls(file, Path(path))
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    def write(self, data: bytes) -> None:
        """Append bytes.

        :raises OutputError: the disk is full, or worse.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.position += len(data)

    def passing(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Append the chunks, and yield each."""
        for chunk in chunks:
            self.write(chunk)
            yield chunk

    def zeros(self, size: int, receive: Callable[[bytes], object]) -> None:
        """Append a hole, and hand its bytes to ``receive``."""
        for at in range(0, size, len(ZEROS)):
            receive(ZEROS[: size - at])
        try:
            self._file.truncate(self.position + size)
            self._file.seek(self.position + size)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.position += size

    def copy(self, source: IO[bytes], size: int, receive: Callable[[bytes], object]) -> None:
        """Append the next bytes of a file, and hand them to ``receive``."""
        while size:
            data = source.read(min(size, len(ZEROS)))
            if not data:
                raise EOFError(f"{source.name} became shorter")
            receive(data)
            self.write(data)
            size -= len(data)

    def flush(self) -> None:
        """Make what was written visible to readers of the file."""
        try:
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        "unpacked packages cannot be written",
        {"file": path, "reason": error.strerror or error},
        hint="make room, or name another scratch folder",
    )

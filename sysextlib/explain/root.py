"""A root file system to look into: a folder, or a squashfs; links never lead out of it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from sysextlib.errors import VerifyError
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Content, Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 1 << 20  # bytes of a file that is read here
KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHARDEV,
    stat.S_IFBLK: Kind.BLOCKDEV,
}


class Source(Protocol):
    """What holds files; every path's leading parts are real directories."""

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Return what a folder holds, in byte order; () when it is none."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes in order."""


class Folder:
    """A folder of this machine as a source."""

    def __init__(self, top: Path) -> None:
        """Look below ``top``, which may be "/"."""
        self._top = top

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path, with its user xattrs."""
        place = self._top / path
        try:
            found = place.lstat()
            kind = KINDS.get(stat.S_IFMT(found.st_mode))
            if kind is None:
                return None
            link = kind is Kind.SYMLINK
            # pathlib would change "./a" to "a"
            target = os.readlink(place) if link else ""  # noqa: PTH115
            content = Content(found.st_size, "") if kind is Kind.FILE else None
            xattrs = _xattrs(place) if kind is Kind.FILE else ()
        except OSError:
            return None
        mode = stat.S_IMODE(found.st_mode)
        return Entry(path=path, kind=kind, mode=mode, target=target, content=content, xattrs=xattrs)

    def names(self, folder: str) -> tuple[str, ...]:
        """Return what a folder holds, in byte order; () when it is none."""
        try:
            return tuple(sorted(os.listdir(self._top / folder)))
        except OSError:
            return ()

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes in order.

        :raises VerifyError: it cannot be read.
        """
        try:
            with (self._top / path).open("rb") as stream:
                while chunk := stream.read(LARGEST):
                    yield chunk
        except OSError as error:
            facts = {"fault": error.strerror}
            raise VerifyError(f"{self._top / path} cannot be read", facts) from None


class Root:
    """A source seen with links followed."""

    def __init__(self, source: Source) -> None:
        """Follow links below the root of ``source``."""
        self._source = source
        self._paths = RealPaths(source.get)

    def get(self, path: str) -> Entry | None:
        """Return the entry that a path leads to; None when there is none."""
        try:
            real = self._paths.real(path)
        except LinkLoopError:
            return None
        return self._source.get(real) if real else None

    def names(self, folder: str) -> tuple[str, ...]:
        """Return what a folder holds, in byte order; () when it is none."""
        entry = self.get(folder)
        if entry is None or entry.kind is not Kind.DIRECTORY:
            return ()
        return tuple(self._source.names(entry.path))

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file that is not absurdly large, or None.

        :raises SysextError: it cannot be read.
        """
        entry = self.get(path)
        if entry is None or entry.kind is not Kind.FILE or entry.size > LARGEST:
            return None
        return b"".join(self._source.chunks(entry.path))[:LARGEST]

    def head(self, path: str, size: int) -> bytes:
        """Return how a file begins; empty when there is none, or it is shorter.

        :raises SysextError: it cannot be read.
        """
        entry = self.get(path)
        if entry is None or entry.kind is not Kind.FILE or entry.size < size:
            return b""
        return next(self._source.chunks(entry.path))[:size]


def _xattrs(place: Path) -> tuple[tuple[str, bytes], ...]:
    try:
        names = os.listxattr(place, follow_symlinks=False)
        return tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in names)
    except OSError:
        return ()

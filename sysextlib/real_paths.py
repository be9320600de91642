"""Where a path really leads, when directories on the way are symlinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from sysextlib.tree import Entry

LINK_LIMIT = 40  # symlinks on the way to one component, nested ones included; the kernel's is 40


class LinkLoopError(ValueError):
    """Symlinks that lead in a circle, or on and on.

    :param path: the link at which it was noticed.
    :param way: the links on the way, the first one first.
    """

    def __init__(self, path: str, way: list[str]) -> None:
        super().__init__(f"the symlinks at /{path} lead nowhere")
        self.path = path
        self.way = " -> ".join(f"/{step}" for step in way[:10])


@dataclass(slots=True)
class _Way:
    """The links that are being followed, and how many were, to one part of a path."""

    following: list[str] = field(default_factory=list)
    followed: int = 0


class RealPaths:
    """Follows symlinks as the kernel would below a root: "/" and ".." never leave it.

    Threads may share it. Results are remembered; call ``forget`` after adding a symlink to what
    ``lookup`` sees.
    """

    def __init__(self, lookup: Callable[[str], Entry | None]) -> None:
        """Follow what ``lookup`` finds at a path whose leading parts are real directories."""
        self._lookup = lookup
        self._known: dict[str, str] = {"": ""}

    def forget(self) -> None:
        """Forget what was resolved so far."""
        self._known = {"": ""}

    def real(self, path: str) -> str:
        """Return ``path`` with every symlink in it followed, the last component too.

        What does not exist is taken as it is named.

        :raises LinkLoopError: symlinks form a loop, or are too many.
        """
        ahead = []  # nearest the end first; no recursion, as a path may have thousands of parts
        while (known := self._known.get(path)) is None:
            ahead.append(path)
            path = path.rpartition("/")[0]
        for path in reversed(ahead):
            known = self._known[path] = self._step(known, path.rpartition("/")[2], _Way())
        return known

    def place(self, path: str, *, follow: bool = False) -> str:
        """Return ``path`` with the symlinks on the way to its last component followed.

        :param follow: the last component too, as ``real`` does.
        :raises LinkLoopError: symlinks form a loop, or are too many.
        """
        if follow:
            return self.real(path)
        folder, _, name = path.rpartition("/")
        folder = self.real(folder)
        return f"{folder}/{name}" if folder else name

    def target(self, path: str, target: str) -> str:
        """Return where a symlink at the real path ``path`` leads; "" is the root.

        :raises LinkLoopError: symlinks form a loop, or are too many.
        """
        return self._target(path, target, None)

    def _target(self, path: str, target: str, way: _Way | None) -> str:
        """Follow a link on the way to a path, or, without one, each part for itself."""
        current = "" if target.startswith("/") else path.rpartition("/")[0]
        for part in target.split("/"):
            if part == "..":
                current = current.rpartition("/")[0]
            elif part not in {"", "."}:
                current = self._step(current, part, way or _Way())
        return current

    def _step(self, folder: str, name: str, way: _Way) -> str:
        path = f"{folder}/{name}" if folder else name
        entry = self._lookup(path)
        if entry is None or entry.kind is not Kind.SYMLINK:
            return path
        if path in way.following or way.followed >= LINK_LIMIT:
            raise LinkLoopError(path, [*way.following, path])
        way.followed += 1
        way.following.append(path)
        real = self._target(path, entry.target, way)
        way.following.pop()
        return real

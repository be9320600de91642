"""The system as it is once the extension is merged: its tree over those below it and the base."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from sysextlib.findings import Finding, Severity
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sysextlib.binpkg.contents import Owned
    from sysextlib.tree import Content, Tree

HEAD = 128  # bytes of every file that say what it is
PROGRAM_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")


class BaseSystem(Protocol):
    """What checks ask of a base image."""

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path whose leading parts are real directories."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, symlinks followed, or None when there is none."""

    def files(self, folder: str) -> Mapping[str, bytes]:
        """Return the regular files below a folder by path; for folders of small files."""

    def owned_below(self) -> Mapping[str, tuple[str, Owned]]:
        """Return, by path, the cpv and line of CONTENTS of extensions that count as installed."""


class Merged:
    """An extension's tree over what lies below it. Paths have no leading "/"."""

    def __init__(
        self, tree: Tree, base: BaseSystem, below: Sequence[Mapping[str, Entry]] = ()
    ) -> None:
        """Look through ``tree``, then ``below``, then ``base``.

        :param below: what is known of extensions that are merged too, by path; never all of it.
        """
        self.tree = tree
        self.base = base
        self._layers = ({entry.path: entry for entry in tree}, *below)
        self.incomplete = bool(below)
        self._paths = RealPaths(self._get)
        self._heads: dict[str, bytes] = {}

    def lacking(self, code: str, subject: str, message: str) -> Finding:
        """Return the finding that neither base nor extension has something.

        It is a warning when extensions lie below, as they may have it.
        """
        if self.incomplete:
            more = f"{message}\nall is well if an extension below it has that"
            return Finding(code, subject, more, Severity.WARNING)
        return Finding(code, subject, message)

    def find(self, path: str) -> Entry | None:
        """Return the entry to which a path leads, every symlink followed, or None."""
        parts = [part for part in path.split("/") if part not in {"", "."}]
        plain = "/".join(parts)
        try:
            real = self._paths.target("", plain) if ".." in parts else self._paths.real(plain)
        except LinkLoopError:
            return None
        return self._get(real) if real else None

    def exists(self, path: str) -> bool:
        """Tell whether a path leads to something."""
        return not path.strip("/.") or self.find(path) is not None

    def program(self, name: str) -> Entry | None:
        """Return what a path, or a name that is looked up in PROGRAM_PATH, starts, or None."""
        places = [name] if "/" in name else [f"{folder}/{name}" for folder in PROGRAM_PATH]
        return next((found for place in places if (found := self.find(place))), None)

    def target(self, link: Entry) -> str | None:
        """Return where a symlink of the tree leads; None when it leads in a circle."""
        try:
            return self._paths.target(link.path, link.target)
        except LinkLoopError:
            return None

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, symlinks followed, or None when there is none."""
        entry = self.find(path)
        if entry is None or entry.kind is not Kind.FILE:
            return None
        for layer in self._layers:
            if entry.path in layer:
                return entry.content.read() if entry.content else b""
        return self.base.read(entry.path)

    def files(self, folder: str) -> dict[str, bytes]:
        """Return the files directly in a folder by path; those above hide those below."""
        depth = folder.count("/") + 1
        found = {
            path: data for path, data in self.base.files(folder).items() if path.count("/") == depth
        }
        for layer in reversed(self._layers):
            for entry in layer.values():
                if entry.path.startswith(folder + "/") and entry.path.count("/") == depth:
                    data = self.read(entry.path)
                    found.pop(entry.path, None)
                    if data is not None:
                        found[entry.path] = data
        return found

    @property
    def heads(self) -> Mapping[str, bytes]:
        """The first bytes of each regular file of the tree, by path, in its order."""
        if not self._heads:
            self._heads = _heads(
                (entry.path, entry.content)
                for entry in self.tree
                if entry.kind is Kind.FILE and entry.content is not None
            )
        return self._heads

    def _get(self, path: str) -> Entry | None:
        for layer in self._layers:
            entry = layer.get(path)
            if entry is not None:
                return entry
        return self.base.get(path)


def read_at(content: Content, offset: int, size: int) -> bytes:
    """Return at most ``size`` bytes of a content from an offset on."""
    size = max(0, min(size, content.size - offset))
    if content.data is not None:
        return content.data[offset : offset + size]
    assert content.spool is not None
    with content.spool.open("rb") as stream:
        return os.pread(stream.fileno(), size, content.offset + offset)


def _heads(contents: Iterable[tuple[str, Content]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    spools: dict[Path, int] = {}
    with ExitStack() as opened:
        for path, content in contents:
            size = min(HEAD, content.size)
            if content.data is not None:
                found[path] = content.data[:size]
                continue
            assert content.spool is not None
            if content.spool not in spools:
                stream = opened.enter_context(content.spool.open("rb"))
                spools[content.spool] = stream.fileno()
            found[path] = os.pread(spools[content.spool], size, content.offset)
    return found

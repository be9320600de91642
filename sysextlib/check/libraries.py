"""Whether the dynamic linker of the merged system finds what each program and library asks for."""

from __future__ import annotations

import fnmatch
import functools
from typing import TYPE_CHECKING

from sysextlib.check.elf_file import MAGIC, DamagedElfError, ElfFile, read_elf
from sysextlib.check.merged import read_at
from sysextlib.findings import Finding, Severity
from sysextlib.gentoo.arch import Arch
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.check.merged import Merged
    from sysextlib.tree import Content, Entry

TRIPLETS = {Arch.AMD64: "x86_64-linux-gnu", Arch.ARM64: "aarch64-linux-gnu"}
LD_SO_CONF = ("etc/ld.so.conf", "usr/lib/ld.so.conf")  # Flatcar's finished /usr has the latter
DEBUG = "usr/lib/debug/"  # symbols of programs: headers of theirs without what these describe
MOST_INCLUDES = 100
LARGEST_OF_BASE = 64 << 20  # bytes of a library that is read for its versions


class Libraries:
    """The search of ld.so(8) on the merged system, for one architecture."""

    def __init__(self, merged: Merged, arch: Arch) -> None:
        """Read ld.so.conf."""
        self._merged = merged
        self._machine = arch.elf_machine
        triplet = TRIPLETS[arch]
        self._lib = ("lib64", f"lib/{triplet}")  # what $LIB may stand for
        self.trusted = (
            f"lib/{triplet}",
            f"usr/lib/{triplet}",
            "lib64",
            "usr/lib64",
            "lib",
            "usr/lib",
        )
        self._configured = tuple(self._read_conf())
        self._files = functools.cache(self._read)
        self._elsewhere: dict[str, str] | None = None

    def own(self) -> Iterator[tuple[Entry, ElfFile | str]]:
        """Yield the tree's programs and libraries of this architecture, or what is wrong."""
        for path, head in self._merged.heads.items():
            machine = int.from_bytes(head[18:20], "little")
            if head.startswith(MAGIC) and machine == self._machine and not path.startswith(DEBUG):
                file = self._files(path)
                if file is not None:
                    yield self._merged.tree[path], file

    def find(self, soname: str, user: Entry, elf: ElfFile) -> str | None:
        """Return the real path of the library that ``user`` gets for a soname, or None."""
        if "/" in soname:
            entry = self._merged.find(soname)
            return entry.path if entry else None
        for folder in self._search(user, elf):
            found = self._fitting(f"{folder}/{soname}")
            if found:
                return found
        return None

    def anywhere(self, soname: str) -> str | None:
        """Return a library of the tree with that name, in whatever folder."""
        if self._elsewhere is None:
            self._elsewhere = {entry.name: entry.path for entry in reversed(tuple(self._tree()))}
        return self._elsewhere.get(soname)

    def versions(self, path: str) -> frozenset[str]:
        """Return the versions that a library defines; none when it has no versions."""
        file = self._files(path)
        return file.versions if isinstance(file, ElfFile) else frozenset()

    def needs_cache(self, path: str) -> bool:
        """Tell whether a library of the tree is only found through a newer ld.so.cache."""
        folder = path.rpartition("/")[0]
        trusted = {self._real(one) for one in self.trusted}
        return path in self._merged.tree and folder not in trusted

    def searched_by_path(self, path: str, user: Entry, elf: ElfFile) -> bool:
        """Tell whether ``user`` itself names the folder where a library lies."""
        folders = {self._real(one) for one in self._own_folders(user, elf)}
        return path.rpartition("/")[0] in folders

    def _tree(self) -> Iterator[Entry]:
        return (entry for entry in self._merged.tree if entry.kind is not Kind.DIRECTORY)

    def _real(self, folder: str) -> str:
        entry = self._merged.find(folder)
        return entry.path if entry else folder

    def _own_folders(self, user: Entry, elf: ElfFile) -> Iterator[str]:
        origin = user.path.rpartition("/")[0]
        for part in elf.runpath or elf.rpath:
            text = part.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", f"/{origin}")
            for lib in self._lib if "$LIB" in text or "${LIB}" in text else ("",):
                yield _normal(text.replace("${LIB}", lib).replace("$LIB", lib))

    def _search(self, user: Entry, elf: ElfFile) -> Iterator[str]:
        yield from self._own_folders(user, elf)
        yield from self._configured
        yield from self.trusted

    def _fitting(self, path: str) -> str | None:
        entry = self._merged.find(path)
        if entry is None or entry.kind is not Kind.FILE:
            return None
        if entry.path not in self._merged.tree:
            return entry.path  # the base's own are taken to fit: its programs use them
        file = self._files(entry.path)
        return entry.path if isinstance(file, ElfFile) and file.machine == self._machine else None

    def _read(self, path: str) -> ElfFile | str | None:
        content: Content | None = None
        data = b""
        entry = self._merged.find(path)
        if path in self._merged.tree:
            content = self._merged.tree[path].content
        elif entry is not None and entry.size <= LARGEST_OF_BASE:
            data = self._merged.read(path) or b""

        def read(offset: int, size: int) -> bytes:
            return read_at(content, offset, size) if content else data[offset : offset + size]

        try:
            return read_elf(read)
        except DamagedElfError as error:
            return str(error)

    def _read_conf(self) -> Iterator[str]:
        todo = list(LD_SO_CONF)
        for number, path in enumerate(todo):
            if number > MOST_INCLUDES:
                return
            text = (self._merged.read(path) or b"").decode("utf-8", "replace")
            for line in text.splitlines():
                words = line.partition("#")[0].split()
                if len(words) == 2 and words[0] == "include":
                    todo += self._included(path, words[1])
                elif len(words) == 1 and words[0].startswith("/"):
                    yield _normal(words[0])

    def _included(self, path: str, pattern: str) -> Sequence[str]:
        where = pattern if pattern.startswith("/") else f"{path.rpartition('/')[0]}/{pattern}"
        folder, _, name = _normal(where).rpartition("/")
        files = self._merged.files(folder)
        return sorted(one for one in files if fnmatch.fnmatch(one.rpartition("/")[2], name))


def check_libraries(merged: Merged, arch: Arch) -> Iterator[Finding]:
    """Yield what ld.so would not find or refuse: interpreters, libraries, symbol versions."""
    libraries = Libraries(merged, arch)
    stale: dict[str, str] = {}
    for entry, elf in libraries.own():
        if isinstance(elf, str):
            yield Finding("damaged-elf", entry.path, f"its ELF headers cannot be read: {elf}")
            continue
        if elf.interpreter and not merged.exists(elf.interpreter):
            message = f"its interpreter {elf.interpreter} is neither in the base nor the extension"
            yield merged.lacking("missing-interpreter", entry.path, message)
        providers: dict[str, str] = {}
        for soname in elf.needed:
            found = libraries.find(soname, entry, elf)
            if found is None:
                yield _missing(libraries, merged, entry, soname)
                continue
            providers[soname] = found
            if libraries.needs_cache(found) and not libraries.searched_by_path(found, entry, elf):
                stale.setdefault(found, entry.path)
        yield from _versions(libraries, entry, elf, providers)
    for path, user in stale.items():
        message = (
            f"{user} finds it only through ld.so.cache, which knows the base's libraries alone"
            "\nmove it to a folder that is always searched, or run ldconfig after the merge"
        )
        yield Finding("library-not-in-cache", path, message)


def _missing(libraries: Libraries, merged: Merged, entry: Entry, soname: str) -> Finding:
    found = libraries.anywhere(soname)
    if found is not None:
        message = f"needs {soname}, and ld.so does not look where it is: {found}"
        return Finding("library-not-searched", entry.path, message, Severity.WARNING)
    message = f"needs {soname}, which neither the base nor the extension has"
    return merged.lacking("missing-library", entry.path, message)


def _versions(
    libraries: Libraries, entry: Entry, elf: ElfFile, providers: dict[str, str]
) -> Iterator[Finding]:
    lacking: dict[str, list[str]] = {}
    for soname, version in elf.versions_needed:
        path = providers.get(soname)
        known = libraries.versions(path) if path else frozenset()
        if path and known and version not in known:
            lacking.setdefault(path, []).append(version)
    for path, versions in lacking.items():
        message = f"needs {', '.join(versions)} of {path}, which does not have it"
        yield Finding("missing-symbol-version", entry.path, message)


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)

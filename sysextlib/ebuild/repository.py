"""Ebuild repositories: what lies in them, their masters, and where an eclass is found."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from sysextlib.ebuild.failure import refused
from sysextlib.ebuild.parser import parse_file
from sysextlib.errors import EbuildError, ValueSyntaxError, nearest
from sysextlib.gentoo.cpv import Cpv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sysextlib.ebuild.nodes import Block

LARGEST_FILE: Final = 4 << 20  # bytes of what is read whole; the largest known has 400 000
_NOT_CATEGORIES: Final = frozenset({"metadata", "profiles", "eclass", "licenses", "scripts"})
_CATEGORY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*")


@dataclass(frozen=True, slots=True)
class Eclass:
    """An eclass that was read.

    :param file: its path, for errors and BASH_SOURCE.
    """

    name: str
    file: str
    md5: str
    block: Block


class EclassSource(Protocol):
    """Where inherit finds eclasses."""

    def eclass(self, name: str) -> Eclass:
        """Return an eclass.

        :raises EbuildError: there is none of that name, or it is no script.
        """


@dataclass(frozen=True, slots=True)
class Ebuild:
    """An ebuild in a repository.

    :param path: its file.
    """

    cpv: Cpv
    path: Path
    repository: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository as its own files describe it.

    :param masters: names of the repositories that it builds upon, the most basic first.
    :param profile_eapi: EAPI of its profiles folder.
    """

    name: str
    path: Path
    masters: tuple[str, ...]
    layout: Mapping[str, str]

    def ebuilds(self) -> Iterator[Ebuild | EbuildError]:
        """Yield every ebuild, sorted; a file whose name is no version comes as an error."""
        for category in self.categories():
            for package in _folders(self.path / category):
                for name in sorted(os.listdir(self.path / category / package)):
                    if not name.endswith(".ebuild") or name.startswith("."):
                        continue
                    path = self.path / category / package / name
                    try:
                        cpv = Cpv.parse(f"{category}/{name.removesuffix('.ebuild')}")
                    except ValueSyntaxError as error:
                        yield EbuildError(error.brief, {"file": path})
                        continue
                    if cpv.name != package:
                        yield EbuildError(f"{name} lies in the folder of {package}", {"file": path})
                        continue
                    yield Ebuild(cpv, path, self.name)

    def categories(self) -> tuple[str, ...]:
        """Return the categories: those that profiles/categories names, or else every folder."""
        listed = read_lines(self.path / "profiles" / "categories")
        folders = [
            name
            for name in _folders(self.path)
            if _CATEGORY.fullmatch(name) and name not in _NOT_CATEGORIES
        ]
        if listed:
            # Portage reads folders that its masters list too; a hyphen or "virtual" marks them.
            return tuple(
                name for name in folders if name in listed or "-" in name or name == "virtual"
            )
        return tuple(folders)


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise EbuildError(f"{path} cannot be read", {"reason": error.strerror}) from error


def open_repository(path: Path) -> Repository:
    """Return the repository in a folder.

    :raises EbuildError: the folder is no repository.
    """
    if not (path / "profiles").is_dir() and not (path / "metadata" / "layout.conf").is_file():
        raise EbuildError(
            f"{path} is no ebuild repository",
            {"missing": "profiles/repo_name and metadata/layout.conf"},
            hint="name the folder that holds profiles/ and metadata/",
        )
    layout = _read_layout(path / "metadata" / "layout.conf")
    names = read_lines(path / "profiles" / "repo_name")
    name = names[0].split()[0] if names else layout.get("repo-name", path.resolve().name)
    return Repository(
        name=name, path=path, masters=tuple(layout.get("masters", "").split()), layout=layout
    )


def open_repositories(paths: Sequence[Path]) -> dict[str, Repository]:
    """Return repositories by name, in the order given.

    :raises EbuildError: one is none, two bear one name, or a master is missing.
    """
    found: dict[str, Repository] = {}
    for path in paths:
        repository = open_repository(path)
        if repository.name in found:
            raise EbuildError(
                f"two repositories are called {repository.name!r}",
                {"first": found[repository.name].path, "second": path},
            )
        found[repository.name] = repository
    for repository in tuple(found.values()):
        _add_masters(repository, found)
    return found


def _add_masters(repository: Repository, found: dict[str, Repository]) -> None:
    """Look for masters that were not given beside the repository that names them."""
    for master in repository.masters:
        if master in found:
            continue
        beside = repository.path.resolve().parent / master
        try:
            other = open_repository(beside)
        except EbuildError:
            raise EbuildError(
                f"repository {repository.name} builds upon {master}, which is missing",
                {"named in": repository.path / "metadata" / "layout.conf", "looked at": beside},
                hint=nearest(master, found) or f"give the folder of {master} as well",
            ) from None
        found[master] = other
        _add_masters(other, found)


class Eclasses:
    """The eclasses that the ebuilds of one repository see.

    Its own come first, then those of its masters, the last named first, as Portage has it.
    """

    def __init__(self, folders: Sequence[Path], shared: dict[Path, Eclass] | None = None) -> None:
        self._folders = folders
        self._found: dict[str, Path | None] = {}
        self._read = shared if shared is not None else {}
        self._digests: dict[Path, str] = {}

    def path(self, name: str) -> Path | None:
        """Return the file of an eclass, or None."""
        if name not in self._found:
            self._found[name] = None
            if name and "/" not in name and "\0" not in name:
                for folder in self._folders:
                    path = folder / f"{name}.eclass"
                    if path.is_file():
                        self._found[name] = path
                        break
        return self._found[name]

    def md5(self, name: str) -> str | None:
        """Return the MD5 of an eclass without parsing it, or None when there is none."""
        path = self.path(name)
        if path is None:
            return None
        if path not in self._digests:
            read = self._read.get(path)
            data = b"" if read else read_source(path)
            self._digests[path] = read.md5 if read else _md5(data)
        return self._digests[path]

    def eclass(self, name: str) -> Eclass:
        """Return an eclass, parsed once.

        :raises EbuildError: there is none of that name, or it is no script.
        """
        path = self.path(name)
        if path is None:
            known = [file.stem for folder in self._folders for file in folder.glob("*.eclass")]
            raise EbuildError(
                f"there is no {name[:60]}.eclass",
                {"looked in": ", ".join(str(folder) for folder in self._folders)},
                hint=nearest(name[:60], known),
            )
        if path not in self._read:
            data = read_source(path)
            text = data.decode("utf-8", "surrogateescape")
            self._read[path] = Eclass(name, str(path), _md5(data), parse_file(text, str(path)))
        return self._read[path]


def eclass_folders(repository: Repository, all_of: Mapping[str, Repository]) -> list[Path]:
    """Return where the ebuilds of a repository find eclasses, the first that has one wins."""
    order: list[Path] = []

    def add(one: Repository, seen: tuple[str, ...]) -> None:
        if one.name in seen:
            raise EbuildError(
                f"repositories build upon each other: {' -> '.join((*seen, one.name))}"
            )
        folder = one.path / "eclass"
        if folder not in order:
            order.append(folder)
        for master in reversed(one.masters):
            add(all_of[master], (*seen, one.name))

    add(repository, ())
    return order


def read_source(path: Path) -> bytes:
    """Return an ebuild, an eclass or a file of a profile.

    :raises EbuildError: it cannot be read, is too large, or is binary.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise EbuildError(f"{path} cannot be read", {"reason": error.strerror}) from error
    if len(data) > LARGEST_FILE:
        raise EbuildError(f"{path} has more than {LARGEST_FILE} bytes")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise refused("a NUL byte: this is no text but a binary file", str(path), line)
    return data


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list without comments and blanks; none when there is no such file.

    :raises EbuildError: it cannot be read, is too large, or is binary.
    """
    try:
        if not path.is_file():
            return []
    except OSError as error:
        raise EbuildError(f"{path} cannot be read", {"reason": error.strerror}) from error
    text = read_source(path).decode("utf-8", "replace")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _read_layout(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in read_lines(path))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()

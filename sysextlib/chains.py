"""Chains of packages from an extension to what a change concerns."""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.make_defaults import read_make_defaults
from sysextlib.ebuild.profile import package_of
from sysextlib.ebuild.profile_lists import list_lines
from sysextlib.ebuild.repository import Ebuild, Repository
from sysextlib.errors import SysextError, ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.dependency import leaves, parse_depend
from sysextlib.gentoo.use import parse_iuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sysextlib.changes import Effect
    from sysextlib.ebuild.generate import MetadataStore
    from sysextlib.ebuild.metadata import Metadata
    from sysextlib.gentoo.arch import Arch
    from sysextlib.gentoo.package import Package

RUNTIME: Final = ("RDEPEND", "PDEPEND", "IDEPEND")
"""What is merged with a package."""

DEPENDENCIES: Final = (*RUNTIME, "DEPEND", "BDEPEND")
"""What a package's files may depend on; run-time ones first, so that chains prefer them."""


@dataclass(slots=True)
class Leanings:
    """What profiles say about versions, whichever profile a board has.

    :param masked: atoms of every package.mask.
    :param accepted: atoms of every package.accept_keywords and package.keywords.
    :param keywords: words of every ACCEPT_KEYWORDS.
    :param unread: lines that are no atoms, by their file.
    """

    masked: dict[str, list[Atom]] = field(default_factory=dict)
    accepted: dict[str, list[Atom]] = field(default_factory=dict)
    keywords: set[str] = field(default_factory=set)
    unread: dict[str, str] = field(default_factory=dict)

    def add(self, folder: Path) -> None:
        """Read the lists of all profiles below a folder; no board is a Gentoo Prefix."""
        for here, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if name != "prefix")
            for name in ("package.mask", "package.accept_keywords", "package.keywords"):
                if name in files or name in folders:
                    self._read(Path(here, name), masks=name == "package.mask")
            if "make.defaults" in files:
                self._read_defaults(Path(here, "make.defaults"))

    def _read(self, path: Path, *, masks: bool) -> None:
        try:
            for line in list_lines(path):
                self.note(Atom.parse(line.split()[0].lstrip("-"), wildcards=True), masks=masks)
        except SysextError as error:
            self.unread[str(path)] = error.brief

    def _read_defaults(self, path: Path) -> None:
        try:
            self.keywords.update(read_make_defaults(path, {}).get("ACCEPT_KEYWORDS", "").split())
        except SysextError as error:
            self.unread[str(path)] = error.brief

    def note(self, atom: Atom, *, masks: bool) -> None:
        """Note an atom."""
        places = self.masked if masks else self.accepted
        places.setdefault("*" if "*" in atom.cp else atom.cp, []).append(atom)

    def may_mask(self, package: Package) -> bool:
        """Tell whether some profile masks a package."""
        return _matches(self.masked, package)

    def may_accept(self, package: Package) -> bool:
        """Tell whether some profile accepts a package whatever its KEYWORDS are."""
        return _matches(self.accepted, package)


def _matches(places: Mapping[str, Sequence[Atom]], package: Package) -> bool:
    atoms = (*places.get(package.cpv.cp, ()), *places.get("*", ()))
    return any(atom.matches_version_slot(package) for atom in atoms)


@dataclass(frozen=True, slots=True)
class _Known:
    """An ebuild that has metadata."""

    ebuild: Ebuild
    package: Package
    metadata: Metadata


class World:
    """The ebuilds of all repositories at one time, read as far as chains lead to them.

    :param keys: the dependencies that are followed.
    :ivar unreadable: ebuilds that were met and have no metadata, with the reason.
    """

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        store: MetadataStore,
        leanings: Leanings,
        keys: Sequence[str] = DEPENDENCIES,
    ) -> None:
        self.repositories = repositories
        self.store = store
        self.leanings = leanings
        self.keys = keys
        self.unreadable: dict[str, str] = {}
        self._packages: dict[str, list[_Known]] = {}
        self._broken: dict[str, list[Ebuild]] = {}
        self._answers: dict[tuple[Atom, tuple[Arch, ...]], tuple[_Known, ...]] = {}
        self._edges: dict[Path, tuple[Atom, ...]] = {}

    def reach(
        self, wanted: Sequence[Atom], arches: tuple[Arch, ...], effects: Sequence[Effect]
    ) -> tuple[tuple[str, ...], str] | None:
        """Return the shortest chain to something that changed, and the changed file."""
        queue: deque[tuple[Atom, tuple[str, ...]]] = deque((atom, ()) for atom in wanted)
        asked: set[Atom] = set()
        seen: set[Path] = set()
        while queue:
            atom, chain = queue.popleft()
            if atom in asked:
                continue
            asked.add(atom)
            here = (*chain, atom.cp)
            for ebuild in self._unreadable(atom):
                cause = _unread_cause(ebuild, effects)
                if cause:
                    return here, cause
            for known in self._chosen(atom, arches):
                if known.ebuild.path in seen:
                    continue
                seen.add(known.ebuild.path)
                cause = _cause(known, effects)
                if cause:
                    return here, cause
                for dependency in self._dependencies(known):
                    queue.append((dependency, here))
        return None

    def _read(self, cp: str) -> list[_Known]:
        """Return every ebuild of a package that has metadata, the newest first."""
        if cp not in self._packages:
            found = self._packages[cp] = []
            broken = self._broken[cp] = []
            for repository in self.repositories.values():
                for ebuild in _ebuilds_of(repository, cp):
                    try:
                        metadata = self.store.metadata(ebuild)
                        package = package_of(ebuild.cpv, metadata, repository.name)
                    except SysextError as error:
                        broken.append(ebuild)
                        self.unreadable[str(ebuild.cpv)] = error.brief
                        continue
                    found.append(_Known(ebuild, package, metadata))
            found.sort(key=lambda item: item.ebuild.cpv, reverse=True)
        return self._packages[cp]

    def _unreadable(self, atom: Atom) -> list[Ebuild]:
        """Return the ebuilds that the atom may mean and of which nothing is known."""
        self._read(atom.cp)
        return [one for one in self._broken[atom.cp] if _version_fits(atom, one.cpv)]

    def _chosen(self, atom: Atom, arches: tuple[Arch, ...]) -> tuple[_Known, ...]:
        """Return what an atom may mean on some machine.

        On each it is the newest version that the machine's keyword accepts and nobody masks, or a
        newer one that some profile accepts or masks: which profile a board has is not known here.
        """
        if (atom, arches) in self._answers:
            return self._answers[atom, arches]
        fitting = [item for item in self._read(atom.cp) if atom.matches_version_slot(item.package)]
        chosen: dict[Path, _Known] = {}
        for arch in arches:
            found = self._newest(fitting, str(arch)) or self._newest(fitting, f"~{arch}")
            chosen |= {item.ebuild.path: item for item in found}
        answer = tuple(chosen.values() or fitting[:1])
        self._answers[atom, arches] = answer
        return answer

    def _newest(self, fitting: Sequence[_Known], keyword: str) -> list[_Known]:
        """Return the newest one with a keyword and without a doubt, and the newer doubtful ones."""
        found: list[_Known] = []
        last: Cpv | None = None
        for item in fitting:
            if last and item.ebuild.cpv != last:
                break
            keywords = item.metadata.value("KEYWORDS").split()
            stable = keyword in keywords
            testing = f"~{keyword}" in self.leanings.keywords.intersection(keywords)
            if stable or testing or self.leanings.may_accept(item.package):
                found.append(item)
            if stable and not self.leanings.may_mask(item.package):
                last = item.ebuild.cpv  # another repository may have the same version
        return found

    def _dependencies(self, known: _Known) -> tuple[Atom, ...]:
        """Return what an ebuild may depend on, each atom once."""
        path = known.ebuild.path
        if path not in self._edges:
            self._edges[path] = tuple(dict.fromkeys(self._parsed(known)))
        return self._edges[path]

    def _parsed(self, known: _Known) -> Iterator[Atom]:
        source = str(known.ebuild.path)
        for key in self.keys:
            text = known.metadata.value(key)
            if not text:
                continue
            try:
                tree = parse_depend(text, eapi=known.metadata.value("EAPI"), source=source)
            except ValueSyntaxError as error:
                self.unreadable[str(known.ebuild.cpv)] = f"{key}: {error.brief}"
                continue
            for leaf in leaves(tree):
                if isinstance(leaf, Atom) and not leaf.blocker:
                    yield leaf


def _ebuilds_of(repository: Repository, cp: str) -> Iterator[Ebuild]:
    folder = repository.path / cp
    category, _, name = cp.partition("/")
    for path in sorted(folder.glob("*.ebuild")) if folder.is_dir() else ():
        try:
            cpv = Cpv.parse(f"{category}/{path.stem}")
        except ValueSyntaxError:
            continue
        if cpv.name == name:
            yield Ebuild(cpv, path, repository.name)


def _version_fits(atom: Atom, cpv: Cpv) -> bool:
    return not atom.op or atom.version_fits(cpv.version)


def _unread_cause(ebuild: Ebuild, effects: Sequence[Effect]) -> str:
    """Return the changed file that may concern an ebuild without metadata, or ""."""
    text = ebuild.path.read_text(encoding="utf-8", errors="replace")
    words = set(re.findall(r"[A-Za-z0-9_.+-]+", text))
    for effect in effects:
        own = effect.package == ebuild.cpv.cp and effect.pf in {"", ebuild.path.stem}
        if own or effect.eclass in words:
            return effect.cause
    return ""


def _cause(known: _Known, effects: Sequence[Effect]) -> str:
    """Return the changed file that concerns an ebuild, or ""."""
    package, metadata = known.package, known.metadata
    eclasses = {name for name, _ in metadata.eclasses}
    flags, _ = parse_iuse(metadata.value("IUSE"), metadata.value("EAPI"))
    stem = known.ebuild.path.stem
    for effect in effects:
        if effect.package == package.cpv.cp and effect.pf in {"", stem}:
            return effect.cause
        if effect.eclass and effect.eclass in eclasses:
            return effect.cause
        if effect.flags & flags:
            return effect.cause
        if any(atom.matches_version_slot(package) for atom in effect.atoms):
            return effect.cause
    return ""

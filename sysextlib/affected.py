"""Which extensions must be rebuilt after a change, and the chain of packages that makes it so."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from sysextlib.board import board_names, load_board
from sysextlib.changes import (
    ChangedFile,
    Checkout,
    Effect,
    open_checkout,
    profile_effects,
    repository_effects,
)
from sysextlib.definition import load_catalogue
from sysextlib.ebuild.failure import ScriptSyntaxError
from sysextlib.ebuild.generate import Evaluator, MetadataStore
from sysextlib.ebuild.make_defaults import parse_make_defaults
from sysextlib.ebuild.profile import package_of
from sysextlib.ebuild.repository import Ebuild, Repository, open_repositories
from sysextlib.errors import SysextError, ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.dependency import leaves, parse_depend
from sysextlib.gentoo.use import parse_iuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sysextlib.definition import SysextDef
    from sysextlib.ebuild.metadata import Metadata
    from sysextlib.gentoo.package import Package
    from sysextlib.progress import Progress

DEPENDENCIES: Final = ("RDEPEND", "PDEPEND", "IDEPEND", "DEPEND", "BDEPEND")
"""What a package's files may depend on; run-time ones first, so that chains prefer them."""

RUNTIME: Final = ("RDEPEND", "PDEPEND", "IDEPEND")


@dataclass(frozen=True, slots=True)
class Affected:
    """An extension that must be rebuilt.

    :param chain: packages from the extension's own to the changed one; empty when the definition
        or something that concerns every package changed.
    :param cause: the changed file, relative to its checkout.
    """

    extension: str
    chain: tuple[str, ...]
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedReport:
    """What a change means for the catalogue.

    :param commit: the revision that was compared with. :param changed: number of changed files.
    :param unreadable: ebuilds that were met and have no metadata, with the reason. What they
        depend on is not known; they count as changed when their own files or an eclass that their
        text names did.
    """

    commit: str
    changed: int
    affected: tuple[Affected, ...]
    unaffected: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...] = ()

    def render(self) -> str:
        """Return the report as text, one extension a line."""
        lines = []
        for item in self.affected:
            chain = " -> ".join(item.chain)
            lines.append(
                f"{item.extension}: {chain} ({item.cause})"
                if chain
                else f"{item.extension}: {item.cause}"
            )
        if not lines:
            lines.append("no extension is affected")
        lines += [f"no metadata: {name}: {reason}" for name, reason in self.unreadable]
        return "".join(f"{line}\n" for line in lines)

    def to_json(self) -> dict[str, object]:
        """Return the report as values that json.dumps takes."""
        return {
            "since": self.commit,
            "changed_files": self.changed,
            "affected": [
                {"extension": item.extension, "chain": list(item.chain), "cause": item.cause}
                for item in self.affected
            ],
            "unaffected": list(self.unaffected),
            "unreadable": [{"ebuild": name, "reason": why} for name, why in self.unreadable],
        }


def find_affected(
    root: Path,
    repos: Sequence[Path],
    since: str,
    *,
    cache: Path,
    progress: Progress,
    runtime_only: bool = False,
) -> AffectedReport:
    """Return the extensions of a checkout's catalogue that a change since a revision affects.

    What lies in the working tree now is compared with the revision.

    :param root: checkout with sysexts/ and board_overlays/.
    :param repos: ebuild repositories; the first one's checkout is compared, the others count for
        their ebuilds, and for changes too when they lie in the same checkout.
    :param cache: folder of the user's own in which metadata is kept.
    :param runtime_only: leave DEPEND and BDEPEND out.
    :raises UsageError: no checkout, or no such revision. :raises EbuildError: no repository.
    :raises DefinitionError: the catalogue is wrong.
    """
    checkout = open_checkout(repos[0], since)
    repositories = open_repositories(repos)
    with progress.step("Find what changed"):
        files = checkout.changed()
        effects = tuple(_effects(checkout, files, repositories, root))
    catalogue = load_catalogue(root)
    store = MetadataStore(Evaluator(repositories), cache)
    world = _World(repositories, store, effects, RUNTIME if runtime_only else DEPENDENCIES)
    found: list[Affected] = []
    with progress.step(f"Follow the dependencies of {len(catalogue)} extensions"):
        for done, definition in enumerate(catalogue.values(), 1):
            item = _affected_of(definition, effects, world, root)
            if item is not None:
                found.append(item)
            progress.advance(done, len(catalogue))
    keys = {item.extension for item in found}
    return AffectedReport(
        commit=checkout.commit,
        changed=len(files),
        affected=tuple(found),
        unaffected=tuple(key for key in catalogue if key not in keys),
        unreadable=tuple(sorted(world.unreadable.items())),
    )


def _effects(
    checkout: Checkout,
    files: Sequence[ChangedFile],
    repositories: Mapping[str, Repository],
    root: Path,
) -> Iterator[Effect]:
    """Yield what the changed files change."""
    folders = {name: one.path.resolve() for name, one in repositories.items()}
    home = root.resolve()
    expanded = _expanded_names(folders.values(), home)
    for changed in files:
        for folder in folders.values():
            if changed.path.is_relative_to(folder):
                inside = PurePosixPath(changed.path.relative_to(folder).as_posix())
                yield from repository_effects(checkout, changed, inside, expanded)
                break
        else:
            if changed.path.is_relative_to(home):
                parts = changed.path.relative_to(home).parts
                cause = changed.path.relative_to(checkout.top).as_posix()
                if parts[0] == "sysexts" and len(parts) >= 3:
                    yield Effect(cause=cause, definition=parts[1])
                elif parts == ("sysexts", "sets.toml"):
                    yield Effect(cause=cause, definition="*")
                elif parts[0] == "selinux" and parts[-1].endswith(".fc"):
                    yield Effect(cause=cause, definition=parts[-1].removesuffix(".fc"))
                elif parts[0] == "board_overlays" and len(parts) >= 3 and parts[2] != "overlay":
                    board, rest = parts[1], parts[2:]
                    if rest[0] == "profile":
                        rest = rest[1:]
                    yield from profile_effects(checkout, changed, rest, expanded, board)


def _expanded_names(folders: Iterable[Path], home: Path) -> frozenset[str]:
    """Return the USE_EXPAND variables that any profile names."""
    names: set[str] = set()
    places = [folder / "profiles" for folder in folders] + [home / "board_overlays"]
    for place in places:
        for path in sorted(place.rglob("make.defaults")):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
                names.update(parse_make_defaults(text, {}).get("USE_EXPAND", "").split())
            except (OSError, ScriptSyntaxError):
                continue  # a file that is wrong names nothing here
    return frozenset(names)


def _affected_of(
    definition: SysextDef, effects: Sequence[Effect], world: _World, root: Path
) -> Affected | None:
    folder = definition.folder.name if definition.folder else definition.key
    for effect in effects:
        own = effect.definition == folder or (effect.definition == "*" and definition.sets)
        if own or (effect.everything and _on_board(definition, effect, root)):
            return Affected(definition.key, (), effect.cause)
    fitting = [effect for effect in effects if _on_board(definition, effect, root)]
    found = world.reach(definition, fitting)
    return Affected(definition.key, *found) if found else None


def _on_board(definition: SysextDef, effect: Effect, root: Path) -> bool:
    if not effect.board:
        return True
    if effect.board not in board_names(root):
        return False
    return definition.fits(effect.board, load_board(effect.board, root).arch)


class _World:
    """The ebuilds of all repositories, read as far as chains lead to them."""

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        store: MetadataStore,
        effects: Sequence[Effect],
        keys: Sequence[str],
    ) -> None:
        self.repositories = repositories
        self.store = store
        self.keys = keys
        self.unreadable: dict[str, str] = {}
        self._packages: dict[str, list[tuple[Ebuild, Package, Metadata]]] = {}
        self._broken: dict[str, list[Ebuild]] = {}
        self._gone: dict[str, list[tuple[Cpv, Effect]]] = {}
        for effect in effects:
            if effect.gone:
                category = effect.package.partition("/")[0]
                try:
                    cpv = Cpv.parse(f"{category}/{effect.pf}")
                except ValueSyntaxError:
                    continue
                self._gone.setdefault(effect.package, []).append((cpv, effect))

    def reach(
        self, definition: SysextDef, effects: Sequence[Effect]
    ) -> tuple[tuple[str, ...], str] | None:
        """Return the shortest chain to something that changed, and the changed file."""
        arches = [str(arch) for arch in definition.arches]
        queue: deque[tuple[Atom, tuple[str, ...]]] = deque(
            (atom, ()) for atom in definition.packages
        )
        seen: set[str] = set()
        while queue:
            atom, chain = queue.popleft()
            here = (*chain, atom.cp)
            for cpv, effect in self._gone.get(atom.cp, ()):
                if effect in effects and _version_fits(atom, cpv):
                    return here, effect.cause
            for ebuild in self._unreadable(atom):
                cause = _unread_cause(ebuild, effects)
                if cause:
                    return here, cause
            for ebuild, package, metadata in self._chosen(atom, arches):
                if str(ebuild.path) in seen:
                    continue
                seen.add(str(ebuild.path))
                cause = _cause(package, ebuild, metadata, effects)
                if cause:
                    return here, cause
                for dependency in self._dependencies(ebuild, metadata):
                    queue.append((dependency, here))
        return None

    def _read(self, cp: str) -> list[tuple[Ebuild, Package, Metadata]]:
        """Return every ebuild of a package that has metadata."""
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
                    found.append((ebuild, package, metadata))
        return self._packages[cp]

    def _unreadable(self, atom: Atom) -> list[Ebuild]:
        """Return the ebuilds that the atom may mean and of which nothing is known."""
        self._read(atom.cp)
        return [one for one in self._broken[atom.cp] if _version_fits(atom, one.cpv)]

    def _chosen(self, atom: Atom, arches: Sequence[str]) -> list[tuple[Ebuild, Package, Metadata]]:
        """Return what an atom means: on each machine the best version that its keyword accepts."""
        fitting = [item for item in self._read(atom.cp) if atom.matches_version_slot(item[1])]
        if not fitting:
            return []
        fitting.sort(key=lambda item: item[0].cpv)
        chosen: dict[str, tuple[Ebuild, Package, Metadata]] = {}
        for arch in arches:
            for word in (arch, f"~{arch}"):
                keyed = [item for item in fitting if word in item[2].value("KEYWORDS").split()]
                if keyed:
                    chosen[str(keyed[-1][0].path)] = keyed[-1]
                    break
        if not chosen:
            chosen[str(fitting[-1][0].path)] = fitting[-1]
        return list(chosen.values())

    def _dependencies(self, ebuild: Ebuild, metadata: Metadata) -> Iterator[Atom]:
        for key in self.keys:
            text = metadata.value(key)
            if not text:
                continue
            try:
                tree = parse_depend(text, eapi=metadata.value("EAPI"), source=str(ebuild.path))
            except ValueSyntaxError as error:
                self.unreadable[str(ebuild.cpv)] = f"{key}: {error.brief}"
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
        if (own and not effect.gone) or effect.eclass in words:
            return effect.cause
    return ""


def _cause(package: Package, ebuild: Ebuild, metadata: Metadata, effects: Sequence[Effect]) -> str:
    """Return the changed file that concerns an ebuild, or ""."""
    eclasses = {name for name, _ in metadata.eclasses}
    flags, _ = parse_iuse(metadata.value("IUSE"), metadata.value("EAPI"))
    stem = ebuild.path.stem
    for effect in effects:
        if effect.package == package.cpv.cp and not effect.gone and effect.pf in {"", stem}:
            return effect.cause
        if effect.eclass and effect.eclass in eclasses:
            return effect.cause
        if effect.flags & flags:
            return effect.cause
        if any(atom.matches_version_slot(package) for atom in effect.atoms):
            return effect.cause
    return ""

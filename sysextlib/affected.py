"""Which extensions must be rebuilt after a change, and the chain of packages that makes it so."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sysextlib.board import board_names, load_board
from sysextlib.chains import DEPENDENCIES, RUNTIME, Leanings, World
from sysextlib.changes import (
    ChangedFile,
    Checkout,
    Effect,
    open_checkout,
    profile_effects,
    repository_effects,
)
from sysextlib.definition import below, load_catalogue
from sysextlib.ebuild.failure import ScriptSyntaxError
from sysextlib.ebuild.generate import Evaluator, MetadataStore
from sysextlib.ebuild.make_defaults import parse_make_defaults
from sysextlib.ebuild.repository import Repository, open_repositories

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sysextlib.definition import SysextDef
    from sysextlib.progress import Progress


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
    runtime: bool = False,
) -> AffectedReport:
    """Return the extensions of a checkout's catalogue that a change since a revision affects.

    What lies in the working tree now is compared with the revision. Dependencies are followed
    among the ebuilds of now, and among those of the revision: what is chosen no longer, because
    it is gone or lost its keyword, means building again as well.

    :param root: checkout with sysexts/ and board_overlays/.
    :param repos: ebuild repositories; the first one's checkout is compared, the others count for
        their ebuilds, and for changes too when they lie in the same checkout.
    :param cache: folder of the user's own in which metadata is kept.
    :param runtime: follow run-time dependencies alone.
    :raises UsageError: no checkout, or no such revision. :raises EbuildError: no repository.
    :raises DefinitionError: the catalogue is wrong.
    """
    checkout = open_checkout(repos[0], since)
    repositories = open_repositories(repos)
    with progress.step("Find what changed"):
        files = checkout.changed()
        effects = tuple(_effects(checkout, files, repositories, root))
    catalogue = load_catalogue(root)
    found: list[Affected] = []
    with _worlds(checkout, repositories, root, effects, cache, runtime=runtime) as worlds:
        with progress.step(f"Follow the dependencies of {len(catalogue)} extensions"):
            for done, definition in enumerate(catalogue.values(), 1):
                family = (definition, *below(definition, catalogue))
                item = _affected_of(family, effects, worlds, root)
                if item is not None:
                    found.append(item)
                progress.advance(done, len(catalogue))
        unread = worlds[0].leanings.unread | worlds[0].unreadable
    named = {item.extension for item in found}
    return AffectedReport(
        commit=checkout.commit,
        changed=len({changed.real for changed in files}),
        affected=tuple(found),
        unaffected=tuple(key for key in catalogue if key not in named),
        unreadable=tuple(sorted(unread.items())),
    )


@contextlib.contextmanager
def _worlds(
    checkout: Checkout,
    repositories: Mapping[str, Repository],
    root: Path,
    effects: Sequence[Effect],
    cache: Path,
    *,
    runtime: bool,
) -> Iterator[list[World]]:
    """Give the ebuilds as they are now and, where some changed, as they were."""
    keys = RUNTIME if runtime else DEPENDENCIES
    leanings = _leanings(repositories.values(), root, effects)
    store = MetadataStore(Evaluator(repositories), cache)
    worlds = [World(repositories, store, leanings, keys)]
    with tempfile.TemporaryDirectory() as scratch:
        if any(effect.package or effect.eclass for effect in effects):
            place = Path(scratch)
            old = {key: _before(checkout, it, place) for key, it in repositories.items()}
            store = MetadataStore(Evaluator(old), cache, keep=False)
            worlds.append(World(old, store, leanings, keys))
        yield worlds


def _leanings(
    repositories: Iterable[Repository], root: Path, effects: Sequence[Effect]
) -> Leanings:
    """Return what profiles say of versions, and said before the change."""
    leanings = Leanings()
    for repository in repositories:
        leanings.add(repository.path / "profiles")
    leanings.add(root / "board_overlays")
    for atom in (atom for effect in effects for atom in effect.atoms):
        leanings.note(atom, masks=True)
        leanings.note(atom, masks=False)
    return leanings


def _before(checkout: Checkout, repository: Repository, scratch: Path) -> Repository:
    """Return a repository with the ebuilds and eclasses that it had in the revision."""
    home = repository.path.resolve()
    if not home.is_relative_to(checkout.top):
        return repository
    place = scratch / repository.name
    checkout.write_before(home, place, (".ebuild", ".eclass"))
    return replace(repository, path=place)


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
                cause = checkout.name_of(changed)
                if parts[0] == "sysexts" and parts[2:3] in {("sysext.toml",), ("files",)}:
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
    family: Sequence[SysextDef], effects: Sequence[Effect], worlds: Sequence[World], root: Path
) -> Affected | None:
    """Return why an extension is affected, if it is.

    :param family: itself, then those below it: what they merge decides what is left for it.
    """
    key = family[0].key
    for effect in effects:
        own = any(_defines(effect, one) for one in family)
        if own or (effect.everything and _on_board(family[0], effect, root)):
            return Affected(key, (), effect.cause)
    fitting = [effect for effect in effects if _on_board(family[0], effect, root)]
    for world in worlds:
        for one in family:
            found = world.reach(one.packages, family[0].arches, fitting)
            if found:
                return Affected(key, *found)
    return None


def _defines(effect: Effect, definition: SysextDef) -> bool:
    folder = definition.folder.name if definition.folder else definition.key
    return effect.definition == folder or (effect.definition == "*" and bool(definition.sets))


def _on_board(definition: SysextDef, effect: Effect, root: Path) -> bool:
    if not effect.board:
        return True
    if effect.board not in board_names(root):
        return False
    return definition.fits(effect.board, load_board(effect.board, root).arch)

"""Keep what is new: a tree of packages is reduced to what the base does not have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sysextlib.errors import MergeConflictError
from sysextlib.findings import Finding, Severity
from sysextlib.install.compare import differences, leads_to_itself, metadata_differences
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Entry, InvalidTreeError, Kind, Tree, glob_regex, parents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sysextlib.base import BaseFiles
    from sysextlib.tree import Content

CONFLICTS_SHOWN = 20
WHITEOUT = (0, 0)  # overlayfs hides a lower file by a character device of this number
# Attributes by which overlayfs hides, moves or replaces what lies below.
OVERLAY = ("trusted.overlay.", "user.overlay.")
# Why what lies outside /usr is not in an extension, by its top folder.
REASONS = {
    "etc": "an extension cannot hold /etc; move it below /usr, or make a confext of it",
    "var": "an extension cannot hold /var; tmpfiles.d can make it at boot",
    "run": "an extension cannot hold /run; tmpfiles.d can make it at boot",
    "opt": "extensions here hold /usr only; let the definition move it below /usr",
}
REASON = "an extension cannot hold it"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A path that is left out, and why."""

    path: str
    origin: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A reduced tree.

    :param dropped: what was left out though the base does not have it, in the tree's order.
    :param identical: what was left out because the base has the same, in the tree's order.
    """

    tree: Tree
    dropped: tuple[Dropped, ...] = ()
    identical: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def keep_new(
    tree: Tree, base: BaseFiles, may_replace: Sequence[str] = (), *, top: str = "usr"
) -> Kept:
    """Return ``tree`` without what the base's /usr has too; what lies outside /usr stays.

    Compared are type, mode, owner, xattrs (labels aside), link target and bytes, not mtime.
    Directories that lead to something new carry the base's metadata, so that the merged system's
    do not change. Symlinks of the base on the way are followed.

    :param may_replace: globs of the paths that may differ from the base.
    :param top: "etc" to compare that instead of /usr.
    :raises MergeConflictError: other paths differ, or something would hide a path of the base;
        all are named.
    """
    return _Comparison(base, may_replace, top).run(tree)


def only_usr(tree: Tree, *, other: str = "") -> Kept:
    """Return what lies below /usr, and name everything else.

    Directories that hold something are implied by it and not named.

    :param other: a top folder that is not named either, as another image holds it.
    """
    kept = [entry for entry in tree if _below("usr", entry.path)]
    outside = [
        entry for entry in tree if not _below("usr", entry.path) and not _below(other, entry.path)
    ]
    holders = {parent for entry in outside for parent in parents(entry.path)}
    dropped = [
        Dropped(entry.path, entry.origin, REASONS.get(entry.parts[0], REASON))
        for entry in outside
        if entry.path not in holders
    ]
    return Kept(Tree(kept), tuple(dropped))


def only_etc(tree: Tree) -> Tree:
    """Return what lies below /etc; directories that hold nothing else are gone."""
    return tree.select(lambda entry: _below("etc", entry.path) and entry.path != "etc")


def _below(top: str, path: str) -> bool:
    return path == top or path.startswith(top + "/")


class _Comparison:
    """One comparison of a tree with a base."""

    def __init__(self, base: BaseFiles, may_replace: Sequence[str], top: str) -> None:
        self._base = base
        self._top = top
        self._paths = RealPaths(base.get)
        self._globs = {pattern: glob_regex(pattern) for pattern in may_replace}
        self._used: set[str] = set()
        self._new: dict[str, Entry] = {}
        self._same: list[Entry] = []  # equal but for the bytes, which are compared at the end
        self._identical: list[str] = []
        self._conflicts: dict[str, tuple[Entry, str]] = {}
        self._findings: list[Finding] = []

    def run(self, tree: Tree) -> Kept:
        """Compare every entry, then the bytes of those that look alike."""
        outside = [entry for entry in tree if not _below(self._top, entry.path)]
        for entry in self._followed(tree):
            known = self._base.get(entry.path)
            if entry.kind is Kind.CHARDEV and entry.device == WHITEOUT:
                self._conflicts[entry.path] = entry, "a whiteout, which would hide the base's file"
            elif names := [name for name, _ in entry.xattrs if name.startswith(OVERLAY)]:
                why = f"{names[0]}, by which overlayfs would hide or move the base's files"
                self._conflicts[entry.path] = entry, why
            elif known is None:
                self._new[entry.path] = entry
            elif entry.kind is Kind.DIRECTORY and known.kind is Kind.DIRECTORY:
                self._directory(entry, known)
            elif leads_to_itself(entry, self._paths) and known.kind is Kind.DIRECTORY:
                self._identical.append(entry.path)
            elif unlike := metadata_differences(entry, known):
                self._differs(entry, unlike)
            else:
                self._same.append(entry)
        self._compare_bytes()
        self._note_unused()
        if self._conflicts:
            raise self._error()
        entries = {entry.path: entry for entry in outside}
        entries.update(self._with_leading())
        try:
            kept = Tree(entries.values())
        except InvalidTreeError as error:
            raise MergeConflictError(
                f"what may_replace lets through does not fit together: {error}",
                hint="let fewer paths replace the base's",
            ) from error
        return Kept(kept, (), tuple(sorted(self._identical)), self._settled())

    def _followed(self, tree: Tree) -> Iterator[Entry]:
        """Yield what lies in the top folder at the paths where the base's symlinks put it."""
        seen: dict[str, Entry] = {}
        for entry in tree:
            if not _below(self._top, entry.path):
                continue
            try:
                path = self._paths.place(entry.path, follow=entry.kind is Kind.DIRECTORY)
            except LinkLoopError as error:
                self._conflicts[entry.path] = entry, str(error)
                continue
            if path != entry.path:
                entry = replace(entry, path=path)
            other = seen.setdefault(path, entry)
            both_directories = other.kind is entry.kind is Kind.DIRECTORY
            if other is entry:
                yield entry
            elif not both_directories and (unlike := differences(entry, other)):
                self._conflicts[path] = entry, f"by another way of the same tree: {unlike[0]}"

    def _directory(self, entry: Entry, known: Entry) -> None:
        """Take the base's metadata for a directory that both have, and say when that matters."""
        unlike = metadata_differences(entry, known)
        if not unlike:
            return
        if self._may_replace(entry.path):
            self._new[entry.path] = entry
            return
        message = f"{entry.origin or 'a package'} wants {', '.join(unlike)} of the base, which stay"
        self._findings.append(Finding("directory-differs", entry.path, message, Severity.WARNING))

    def _differs(self, entry: Entry, unlike: Sequence[str]) -> None:
        if self._may_replace(entry.path):
            self._new[entry.path] = entry
        else:
            self._conflicts[entry.path] = entry, ", ".join(unlike)

    def _may_replace(self, path: str) -> bool:
        hits = [pattern for pattern, regex in self._globs.items() if regex.fullmatch(path)]
        self._used.update(hits)
        return bool(hits)

    def _compare_bytes(self) -> None:
        files = [entry.path for entry in self._same if entry.kind is Kind.FILE]
        contents: Mapping[str, Content] = self._base.contents(files) if files else {}
        for entry in self._same:
            known = self._base.get(entry.path)
            assert known is not None
            unlike = differences(entry, known, contents.get)
            if unlike:
                self._differs(entry, unlike)
            else:
                self._identical.append(entry.path)

    def _with_leading(self) -> dict[str, Entry]:
        """Return what is new with the directories that lead to it, as the base has them."""
        leading = {parent for path in self._new for parent in parents(path)} - self._new.keys()
        found = {path: self._base.get(path) for path in leading}
        return self._new | {path: entry for path, entry in found.items() if entry is not None}

    def _note_unused(self) -> None:
        for pattern in self._globs.keys() - self._used:
            message = "the definition lets this replace the base's, and nothing of it differs"
            self._findings.append(Finding("unused-may-replace", pattern, message, Severity.WARNING))

    def _settled(self) -> tuple[Finding, ...]:
        return tuple(sorted(self._findings, key=lambda finding: finding.key))

    def _error(self) -> MergeConflictError:
        paths = sorted(self._conflicts)
        owners = self._base.owners(paths[:CONFLICTS_SHOWN])
        facts: dict[str, object] = {}
        for path in paths[:CONFLICTS_SHOWN]:
            entry, why = self._conflicts[path]
            owner = owners.get(path)
            theirs = f"base ({owner})" if owner else "base"
            facts[f"/{path}"] = f"{entry.origin or 'the tree'} and {theirs}: {why}"
        if len(paths) > CONFLICTS_SHOWN:
            facts["and"] = f"{len(paths) - CONFLICTS_SHOWN} more paths"
        return MergeConflictError(
            f"/{paths[0]} differs from the base image's"
            if len(paths) == 1
            else f"{len(paths)} paths differ from the base image's",
            facts,
            hint="remove them in the definition, or name in may_replace what shall win",
        )

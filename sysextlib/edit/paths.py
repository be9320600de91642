"""Edits that take away, copy and move what packages brought."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, Edited, nothing_matched
from sysextlib.errors import EditError
from sysextlib.tree import Entry, Kind, Tree, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sysextlib.toml_reader import Glob
    from sysextlib.verbs import KeepOnly, Remove, Transfer


def remove(tree: Tree, removal: Remove, sets: Mapping[str, tuple[Glob, ...]]) -> Edited:
    """Remove what the globs match, and what lies below it.

    Every glob must match something; of a set, which is written for many packages, one must.

    :raises EditError: nothing matched and the edit is not optional.
    """
    gone: set[str] = set()
    for glob in sets[removal.set] if removal.set else removal.paths:
        matched = {entry.path for entry in matching(tree, glob)}
        if not matched and not removal.optional and not removal.set:
            raise nothing_matched("remove", glob)
        gone |= matched
    if removal.set and not gone and not removal.optional:
        raise nothing_matched("remove", removal.set)
    return _without(tree, gone, "remove", removal.set)


def keep_only(tree: Tree, keep: KeepOnly) -> Edited:
    """Remove what lies below a folder and is neither matched nor below what is matched.

    :raises EditError: a glob matched nothing and the edit is not optional.
    """
    below = keep.below + "/"
    matched: set[str] = set()
    for glob in keep.paths:
        found = {entry.path for entry in matching(tree, glob)}
        if not found and not keep.optional:
            raise nothing_matched("keep_only", glob)
        matched |= found
    kept = {e.path for e in tree if e.path in matched or matched & set(parents(e.path))}
    leading = {parent for path in kept for parent in parents(path)}
    gone = {e.path for e in tree if e.path.startswith(below)} - kept - leading
    return _without(tree, gone, "keep_only", "")


def transfer(tree: Tree, order: Transfer, verb: str) -> Edited:
    """Copy or move (``verb``) what a glob matches, with what lies below it.

    A folder joins one that is there already. Symlinks keep their targets.

    :raises EditError: nothing matched, several matches for one path, or the place is taken.
    """
    matches = _topmost(matching(tree, order.path))
    if not matches:
        if order.optional:
            return Edited(tree)
        raise nothing_matched(verb, order.path)
    if order.to is not None and len(matches) > 1:
        raise EditError(
            f"{verb} has one path for {len(matches)} matches of {order.path}",
            {"matches": "\n".join(entry.path for entry in matches), "to": order.to},
            hint="say into = FOLDER to give each its own",
        )
    log: list[Change] = []
    for match in matches:
        goal = order.to if order.to is not None else f"{order.into}/{match.name}"
        tree = relocate(tree, match, goal, moved=verb == "move")
        log.append(Change(goal, verb, f"from {match.path}"))
    return Edited(tree, tuple(log))


def relocate(tree: Tree, top: Entry, goal: str, *, moved: bool) -> Tree:
    """Return the tree with ``top`` and what lies below it at the path ``goal`` too, or instead.

    :raises EditError: something else is there, or ``goal`` lies below ``top``.
    """
    if goal == top.path or goal.startswith(top.path + "/"):
        raise EditError(f"{top.path} cannot be put below itself", {"to": goal})
    below = top.path + "/"
    subtree = [entry for entry in tree if entry.path == top.path or entry.path.startswith(below)]
    rest = tree.without([top.path]) if moved else tree
    placed = []
    for entry in subtree:
        # copies are linked to each other where the originals are, never to an original
        token = entry.hardlink if moved or not entry.hardlink else f"{goal}:{entry.hardlink}"
        new = replace(entry, path=goal + entry.path[len(top.path) :], hardlink=token)
        there = rest.get(new.path)
        if there is None:
            placed.append(new)
        elif not (there.kind is new.kind is Kind.DIRECTORY) and not _same(there, new):
            raise EditError(
                f"{entry.path} cannot be put at {new.path}: another {there.kind} is there",
                {"brought by": there.origin or "(unknown)"},
            )
    return rest.updated(placed)


def matching(tree: Tree, glob: str) -> tuple[Entry, ...]:
    """Return what a glob matches; with "/" at its end, the folders among it."""
    found = tree.matching(glob.removesuffix("/"))
    if glob.endswith("/"):
        return tuple(entry for entry in found if entry.kind is Kind.DIRECTORY)
    return found


def _same(one: Entry, other: Entry) -> bool:
    """Tell whether two entries are equal but for their age and links."""
    return replace(one, mtime=0, hardlink="") == replace(other, mtime=0, hardlink="")


def _topmost(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries that lie below none of the others."""
    paths = {entry.path for entry in entries}
    return tuple(entry for entry in entries if not paths & set(parents(entry.path)))


def _without(tree: Tree, gone: Iterable[str], verb: str, detail: str) -> Edited:
    top = _topmost([tree[path] for path in sorted(gone)])
    left = tree.without(entry.path for entry in top)
    return Edited(left, tuple(Change(entry.path, verb, detail) for entry in top))

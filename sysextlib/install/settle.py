"""Takes from a tree what tells only how it was merged, so that every installer gives the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.tree import Kind, Tree

if TYPE_CHECKING:
    from sysextlib.tree import Entry


def settled(tree: Tree, epoch: int) -> Tree:
    """Return the tree with times and hard link tokens that follow from its content alone.

    Portage keeps the times of regular files. Directories and symlinks get the moment of the
    merge, which lies after ``epoch``, so that they have ``epoch`` here, as has every file that is
    younger. The token of a hard link is the least path of its inode, "" when no other is left.
    """
    names: dict[str, list[str]] = {}
    for entry in tree:
        if entry.hardlink:
            names.setdefault(entry.hardlink, []).append(entry.path)
    tokens = {token: min(paths) if len(paths) > 1 else "" for token, paths in names.items()}
    return Tree(
        replace(entry, mtime=_time(entry, epoch), hardlink=tokens.get(entry.hardlink, ""))
        for entry in tree
    )


def _time(entry: Entry, epoch: int) -> int:
    if entry.kind is not Kind.FILE:
        return epoch
    return max(0, min(entry.mtime, epoch))

"""In what two entries for one path differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Content, Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

# Labels are given to the finished tree from the policy, whatever the inputs carry.
IGNORED_XATTRS = frozenset({"security.selinux"})


def metadata_differences(ours: Entry, theirs: Entry) -> tuple[str, ...]:
    """Return in words what differs beside mtime and the bytes of files; nothing when equal."""
    if ours.kind is not theirs.kind:
        return (f"{ours.kind} and {theirs.kind}",)
    differences = []
    if ours.mode != theirs.mode and ours.kind is not Kind.SYMLINK:
        differences.append(f"mode {ours.mode:04o} and {theirs.mode:04o}")
    if (ours.uid, ours.gid) != (theirs.uid, theirs.gid):
        differences.append(f"owner {ours.uid}:{ours.gid} and {theirs.uid}:{theirs.gid}")
    if ours.target != theirs.target:
        differences.append(f"target {ours.target!r} and {theirs.target!r}")
    if ours.device != theirs.device:
        differences.append(f"device {ours.device} and {theirs.device}")
    ours_xattrs, theirs_xattrs = dict(_xattrs(ours)), dict(_xattrs(theirs))
    differences += [
        f"xattr {name}"
        for name in sorted(ours_xattrs.keys() | theirs_xattrs.keys())
        if ours_xattrs.get(name) != theirs_xattrs.get(name)
    ]
    if ours.kind is Kind.FILE and ours.size != theirs.size:
        differences.append(f"size {ours.size} and {theirs.size}")
    return tuple(differences)


def differences(
    ours: Entry, theirs: Entry, contents: Callable[[str], Content | None] | None = None
) -> tuple[str, ...]:
    """Return in words what differs beside mtime; nothing when equal.

    :param contents: gives the content of ``theirs`` by path, when the entry has no digest of it.
    """
    found = metadata_differences(ours, theirs)
    if found or ours.kind is not Kind.FILE or ours.content is None:
        return found
    other = contents(theirs.path) if contents else theirs.content
    if other is None or ours.content.sha256 != other.sha256:
        digest = other.sha256[:16] if other else "nothing"
        return (f"content sha256 {ours.content.sha256[:16]}... and {digest}...",)
    return ()


def leads_to_itself(entry: Entry, paths: RealPaths) -> bool:
    """Return whether a symlink points to the very place where it lies.

    Such a link comes from a package that was made before the directories above it were joined by
    a link (/lib/x -> /usr/lib/x), and says nothing any more.
    """
    if entry.kind is not Kind.SYMLINK:
        return False
    try:
        return paths.target(entry.path, entry.target) == entry.path
    except LinkLoopError:
        return False


def _xattrs(entry: Entry) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in entry.xattrs if name not in IGNORED_XATTRS]

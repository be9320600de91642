"""Entries that an extension cannot or should not hold, and what it must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.findings import Finding, Severity
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.check.merged import Merged
    from sysextlib.definition import SysextDef

OS_RELEASE = ("usr/lib/os-release", "etc/os-release", "usr/lib/initrd-release")
STAMP = "usr/lib/extension-release.d/"
# Made at run time, or the administrator's: nobody can say now what is there.
ELSEWHERE = ("dev/", "proc/", "sys/", "run/", "var/", "tmp/", "home/", "root/", "mnt/", "media/")


def check_files(merged: Merged) -> Iterator[Finding]:
    """Yield what is wrong with single entries."""
    for path in OS_RELEASE:
        if path in merged.tree:
            message = "the base says what system this is; systemd refuses the extension for it"
            yield Finding("os-release", path, message)
    for entry in merged.tree:
        if entry.kind not in {Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK}:
            message = f"{entry.origin or 'an edit'} brings a {entry.kind}"
            yield Finding("special-file", entry.path, message)
        elif entry.kind is Kind.SYMLINK:
            yield from _check_link(merged, entry.path)
        elif entry.mode & 0o002 and not (entry.kind is Kind.DIRECTORY and entry.mode & 0o1000):
            message = f"mode {entry.mode:04o}: everyone may write it"
            yield Finding("world-writable", entry.path, message)


def _check_link(merged: Merged, path: str) -> Iterator[Finding]:
    entry = merged.tree[path]
    target = merged.target(entry)
    if target is None:
        yield Finding("dangling-link", path, f"points to {entry.target}, which leads in a circle")
        return
    if not target or f"{target}/".startswith(ELSEWHERE) or merged.find(target) is not None:
        return
    message = f"points to {entry.target}, which neither the base nor the extension has"
    if target.startswith("etc/"):  # where a machine's own files are
        yield Finding("dangling-link", path, message, Severity.WARNING)
    else:
        yield merged.lacking("dangling-link", path, message)


def check_payload(merged: Merged, definition: SysextDef) -> Iterator[Finding]:
    """Yield whether anything is in the extension, and what its definition requires and is not."""
    payload = (
        entry
        for entry in merged.tree
        if entry.kind is not Kind.DIRECTORY and not entry.path.startswith(STAMP)
    )
    if next(payload, None) is None:
        message = "it holds nothing but its extension-release"
        yield Finding("empty-payload", "usr", message)
    for pattern in definition.required:
        if not merged.tree.matching(pattern):
            yield Finding("required-path", pattern, "the definition requires it, and it is missing")

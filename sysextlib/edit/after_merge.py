"""What the boot did before an extension was merged, done again for the extension.

systemd reads sysusers.d, modules-load.d and the like once, early at boot, before extensions are
merged (tmpfiles.d after, but not when an extension is merged later). So an extension that brings
such files gets a unit, NAME-after-merge.service, that has the same programs read them, and each of
its units waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, EditContext, Edited
from sysextlib.edit.files import UNITS, put
from sysextlib.tree import Entry, Kind, Tree, file_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.definition import SysextDef

PROGRAMS = {
    "usr/lib/sysusers.d": "systemd-sysusers",
    "usr/lib/modules-load.d": "/usr/lib/systemd/systemd-modules-load",
    "usr/lib/sysctl.d": "/usr/lib/systemd/systemd-sysctl",
    "usr/lib/binfmt.d": "/usr/lib/systemd/systemd-binfmt",
    "usr/lib/tmpfiles.d": "systemd-tmpfiles --create",
}
"""By folder, in the order in which they run: files of tmpfiles.d may belong to new users."""
WAITING = (".service", ".socket", ".mount")  # units of these kinds may need what is made
TARGET = "multi-user.target"

# Upheld, it runs as soon as the extension is there, at boot or later. A program that fails keeps
# neither the others nor the units back: as at boot, its message is in the journal.
_UNIT = """\
[Unit]
Description=What {name} needs, and the boot did before it was merged
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
"""


def add_after_merge(tree: Tree, definition: SysextDef, context: EditContext) -> Edited:
    """Add the unit, where the tree has files for it, and the drop-ins that order units after it.

    :raises EditError: a package brought a file of one of these names.
    """
    calls = [
        f"ExecStart=-{program} {' '.join(names)}\n"
        for folder, program in PROGRAMS.items()
        if (names := _configurations(tree, folder, context))
    ]
    if not calls:
        return Edited(tree)
    unit = f"{definition.name}-after-merge.service"
    dropin = f"10-{definition.name}-after-merge.conf"
    wanted = {f"{UNITS}/{unit}": _UNIT.format(name=definition.name) + "".join(calls)}
    wanted[f"{UNITS}/{TARGET}.d/{dropin}"] = f"[Unit]\nUpholds={unit}\n"
    for waiting in _waiting(tree):
        wanted[f"{UNITS}/{waiting}.d/{dropin}"] = f"[Unit]\nWants={unit}\nAfter={unit}\n"
    log: list[Change] = []
    for path, text in wanted.items():
        entry = file_entry(path, text.encode(), mtime=context.epoch, origin="definition")
        edited = put(tree, entry, definition, "after_merge")
        tree = edited.tree
        log += edited.log
    return Edited(tree, tuple(log))


def _configurations(tree: Tree, folder: str, context: EditContext) -> list[str]:
    """Return the names of a folder's files that the base does not have already."""
    return [
        entry.name
        for entry in _directly_in(tree, folder)
        if entry.name.endswith(".conf") and context.read_base(entry.path) is None
    ]


def _waiting(tree: Tree) -> list[str]:
    return [
        entry.name
        for entry in _directly_in(tree, UNITS)
        if entry.kind is Kind.FILE and entry.name.endswith(WAITING)
    ]


def _directly_in(tree: Tree, folder: str) -> Iterator[Entry]:
    return (
        entry
        for entry in tree
        if entry.kind in (Kind.FILE, Kind.SYMLINK) and entry.path == f"{folder}/{entry.name}"
    )

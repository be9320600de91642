"""Units that would not start: programs, units and users that are nowhere, links that do nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.check.unit_file import Command, Setting, command, read_unit, words
from sysextlib.check.users import NUMBER
from sysextlib.findings import Finding, Severity
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.check.merged import Merged
    from sysextlib.check.users import Users
    from sysextlib.tree import Entry

SYSTEM = "usr/lib/systemd/system"
FOLDERS = (SYSTEM, "usr/lib/systemd/user")
# Where systemd looks for units beside FOLDERS; systemd.unit(5).
OTHERS = {
    "system": ("etc/systemd/system", "usr/local/lib/systemd/system"),
    "user": ("etc/systemd/user", "usr/local/lib/systemd/user", "usr/local/share/systemd/user",
             "usr/share/systemd/user"),
}  # fmt: skip
# Made from other things than files: hardware, fstab, systemd's own.
WITHOUT_FILE = (".device", ".mount", ".swap", ".slice", ".scope", ".automount")
BUILT_IN = frozenset({"-.mount", "-.slice", "init.scope", "system.slice", "user.slice"})
EXEC = re.compile(r"Exec(Start|Stop|Reload|Condition)(Pre|Post)?")
NEEDED = frozenset({"Requires", "BindsTo", "Requisite", "Upholds", "Unit", "Service", "Sockets"})
TRUE = frozenset({"1", "yes", "y", "true", "t", "on"})
# Not the image's: such a program may be there or not.
OF_MACHINE = ("/etc/", "/opt/", "/var/", "/run/", "/home/", "/root/")
# Started with the system: a .wants link that comes later is not looked at any more.
AT_BOOT = frozenset(
    f"{name}.target"
    for name in (
        "basic", "cryptsetup", "default", "getty", "graphical", "integritysetup", "local-fs",
        "local-fs-pre", "multi-user", "network", "network-online", "network-pre", "nss-lookup",
        "nss-user-lookup", "paths", "remote-cryptsetup", "remote-fs", "remote-fs-pre", "sockets",
        "sysinit", "swap", "time-set", "time-sync", "timers", "veritysetup",
    )
)  # fmt: skip
LINK = re.compile(r"(?P<target>[^/]+)\.(?P<how>wants|requires|upholds)/(?P<unit>[^/]+)")


def check_units(merged: Merged, users: Users) -> Iterator[Finding]:
    """Yield what is wrong with the units and drop-ins of the tree."""
    kept_up = _kept_up(merged)
    for folder in FOLDERS:
        for entry in merged.tree:
            if not entry.path.startswith(folder + "/"):
                continue
            rest = entry.path[len(folder) + 1 :]
            link = LINK.fullmatch(rest)
            if link:
                yield from _check_link(merged, folder, entry, link, kept_up)
            elif entry.kind is Kind.FILE and ("/" not in rest or rest.endswith(".conf")):
                data = merged.read(entry.path) or b""
                yield from _check_unit(merged, folder, entry, read_unit(data), users)


def unit_exists(merged: Merged, folder: str, name: str) -> bool:
    """Tell whether systemd finds a unit, or need not."""
    if name.endswith(WITHOUT_FILE) or name in BUILT_IN:
        return True
    names = {name}
    if "@" in name:
        prefix, _, rest = name.partition("@")
        names.add(f"{prefix}@.{rest.rpartition('.')[2]}")
    manager = folder.rpartition("/")[2]
    places = (folder, *OTHERS[manager])
    return any(merged.exists(f"{place}/{one}") for place in places for one in names)


def _check_unit(
    merged: Merged, folder: str, entry: Entry, settings: tuple[Setting, ...], users: Users
) -> Iterator[Finding]:
    conditional = {
        one.value.lstrip("|") for one in settings if one.key.startswith(("Condition", "Assert"))
    }
    for one in settings:
        if EXEC.fullmatch(one.key):
            started = command(one.value)
            if started.program and started.program not in conditional:
                yield from _check_program(merged, entry, one.key, started)
        elif one.key in NEEDED:
            for name in words(one.value):
                plain = name.replace("@%i.", "@.").replace("@%I.", "@.").replace("@%j.", "@.")
                if "%" not in plain and not unit_exists(merged, folder, plain):
                    message = f"{one.key}={name}: neither the base nor the extension has that unit"
                    yield merged.lacking("missing-unit", entry.path, message)
    yield from _check_users(merged, entry, settings, users)


def _check_program(merged: Merged, entry: Entry, key: str, started: Command) -> Iterator[Finding]:
    path = started.program
    found = merged.program(path)
    if found is not None and found.kind is Kind.FILE and found.mode & 0o111:
        return
    if found is not None:
        message = f"{key}={path}: it is a {found.kind} that nobody may execute"
        yield Finding("program-not-executable", entry.path, message)
        return
    message = f"{key}={path}: neither the base nor the extension has that program"
    if started.optional or path.startswith(OF_MACHINE):
        yield Finding("missing-program", entry.path, message, Severity.WARNING)
    else:
        yield merged.lacking("missing-program", entry.path, message)


def _check_users(
    merged: Merged, entry: Entry, settings: tuple[Setting, ...], users: Users
) -> Iterator[Finding]:
    if any(one.key == "DynamicUser" and one.value.lower() in TRUE for one in settings):
        return
    for one in settings:
        known = {"User": users.users, "Group": users.groups}.get(one.key)
        name = one.value
        if known is None or not name or "%" in name or NUMBER.fullmatch(name) or name in known:
            continue
        message = f"{one.key}={name}: no passwd, sysusers.d or userdb names it"
        yield merged.lacking("unit-of-unknown-user", entry.path, message)


def _kept_up(merged: Merged) -> frozenset[str]:
    """Return the units that an Upholds= of the tree names, as drop-in or link."""
    found: set[str] = set()
    for entry in merged.tree:
        if not entry.path.startswith(f"{SYSTEM}/"):
            continue
        rest = entry.path[len(SYSTEM) + 1 :]
        link = LINK.fullmatch(rest)
        if link and link["how"] == "upholds":
            found.add(link["unit"])
        elif rest.endswith(".conf") and entry.kind is Kind.FILE:
            for one in read_unit(merged.read(entry.path) or b""):
                if one.key == "Upholds":
                    found.update(words(one.value))
    return frozenset(found)


def _check_link(
    merged: Merged, folder: str, entry: Entry, link: re.Match[str], kept_up: frozenset[str]
) -> Iterator[Finding]:
    if entry.kind is not Kind.SYMLINK:
        return
    target, unit = link["target"], link["unit"]
    if not unit_exists(merged, folder, unit):
        message = "neither the base nor the extension has that unit"
        yield merged.lacking("missing-unit", entry.path, message)
    elif (
        folder == SYSTEM
        and link["how"] != "upholds"
        and target in AT_BOOT
        and f"{folder}/{target}" not in merged.tree
        and not {unit, target} & kept_up
    ):
        message = (
            f"{target} was reached before the extension is merged, so the link starts nothing"
            "\nlet the definition say [[upholds]] or [[uphold_wants]], or remove it"
        )
        yield Finding("link-starts-nothing", entry.path, message)

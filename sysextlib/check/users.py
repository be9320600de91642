"""Who is known: the user databases of base and extension, and files of nobody."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.check.unit_file import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.check.merged import Merged
    from sysextlib.findings import Finding

# Flatcar keeps its own entries apart from those of the machine's administrator.
PASSWD = ("etc/passwd", "usr/lib/passwd", "usr/share/baselayout/passwd")
GROUP = ("etc/group", "usr/lib/group", "usr/share/baselayout/group")
SYSUSERS = "usr/lib/sysusers.d"
USERDB = "usr/lib/userdb"
NOBODY = 65534
NUMBER = re.compile("[0-9]{1,10}")  # a user's or group's; 32 bits


@dataclass(frozen=True, slots=True)
class Users:
    """Names and numbers that a user or group database knows on the merged system."""

    users: frozenset[str]
    groups: frozenset[str]
    uids: frozenset[int]
    gids: frozenset[int]


def known_users(merged: Merged) -> Users:
    """Read passwd(5), group(5), sysusers.d(5) and userdb's JSON records."""
    users, groups = {"root", "nobody"}, {"root"}  # that every system has: nss-systemd(8)
    uids, gids = {0, NOBODY}, {0, NOBODY}
    for paths, names, numbers in ((PASSWD, users, uids), (GROUP, groups, gids)):
        for path in paths:
            for line in (merged.read(path) or b"").decode("utf-8", "replace").splitlines():
                fields = line.split(":")
                if len(fields) > 2 and NUMBER.fullmatch(fields[2]):
                    names.add(fields[0])
                    numbers.add(int(fields[2]))
    for data in merged.files(SYSUSERS).values():
        for line in data.decode("utf-8", "replace").splitlines():
            fields = words(line)
            if len(fields) < 2 or fields[0].startswith("#"):
                continue
            kind, name = fields[0].rstrip("!"), fields[1]
            uid, _, gid = fields[2].partition(":") if len(fields) > 2 else ("", "", "")
            if kind == "u":
                users.add(name)
                uids |= _numbers(uid)
                gids |= _numbers(gid or uid)
                if not gid:  # else the user's group is another, which must be there
                    groups.add(name)
            elif kind == "g":
                groups.add(name)
                gids |= _numbers(uid)
            elif kind == "m":  # a user in a group; both come to be, and the user's own
                users.add(name)
                groups |= {name, *fields[2:3]}
    for path, data in merged.files(USERDB).items():
        _add_record(path, data, (users, uids), (groups, gids))
    return Users(frozenset(users), frozenset(groups), frozenset(uids), frozenset(gids))


def _numbers(text: str) -> set[int]:
    return {int(text)} if NUMBER.fullmatch(text) else set()


def _add_record(
    path: str, data: bytes, user: tuple[set[str], set[int]], group: tuple[set[str], set[int]]
) -> None:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(record, dict):
        return
    names = {".user": (user, "userName", "uid"), ".group": (group, "groupName", "gid")}
    for suffix, ((known, numbers), name, number) in names.items():
        if path.endswith(suffix):
            if isinstance(record.get(name), str):
                known.add(record[name])
            if isinstance(record.get(number), int):
                numbers.add(record[number])


def check_owners(merged: Merged, users: Users) -> Iterator[Finding]:
    """Yield the entries whose owner or group nobody is."""
    for entry in merged.tree:
        unknown = []
        if entry.uid not in users.uids:
            unknown.append(f"user {entry.uid}")
        if entry.gid not in users.gids:
            unknown.append(f"group {entry.gid}")
        if unknown:
            message = (
                f"belongs to {' and '.join(unknown)}, which no passwd, sysusers.d or userdb"
                " names: it is whoever gets that number"
            )
            yield merged.lacking("unknown-owner", entry.path, message)

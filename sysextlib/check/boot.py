"""What systemd does at boot with an extension's files: udev rules, tmpfiles.d."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from sysextlib.check.unit_file import read_unit, words
from sysextlib.check.users import NUMBER
from sysextlib.findings import Finding
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.check.merged import Merged
    from sysextlib.check.users import Users

UDEV_RULES = "usr/lib/udev/rules.d"
UDEVD = "usr/lib/systemd/system/systemd-udevd.service.d"
TMPFILES = "usr/lib/tmpfiles.d"
FACTORY = "/usr/share/factory"


def check_udev(merged: Merged) -> Iterator[Finding]:
    """Yield when rules come too late: udevd reads them once, before extensions are merged."""
    rules = [
        entry.path
        for entry in merged.tree
        if entry.path.startswith(UDEV_RULES + "/") and entry.kind is Kind.FILE
    ]
    if not rules:
        return
    for data in merged.files(UDEVD).values():
        for one in read_unit(data):
            if one.key == "After" and "systemd-sysext.service" in words(one.value):
                return
    message = (
        "udevd starts before the extension is merged and does not read the rules again"
        "\nlet the definition say udev_waits = true"
    )
    for path in rules:
        yield Finding("udev-rules-too-late", path, message)


def check_tmpfiles(merged: Merged, users: Users) -> Iterator[Finding]:
    """Yield lines of the tree whose source or owner does not exist."""
    for entry in merged.tree:
        if entry.kind is Kind.FILE and entry.path.startswith(TMPFILES + "/"):
            data = merged.read(entry.path) or b""
            for line in data.decode("utf-8", "replace").splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    yield from _check_line(merged, users, entry.path, line.strip())


def _check_line(merged: Merged, users: Users, path: str, line: str) -> Iterator[Finding]:
    fields = words(line)
    kind = fields[0]
    if len(fields) > 1 and kind[:1] in {"C", "L"} and "?" not in kind:
        # the argument is the rest of the line
        argument = " ".join(fields[6:])
        source = argument if argument not in {"", "-"} else FACTORY + fields[1]
        source = posixpath.normpath(posixpath.join(posixpath.dirname(fields[1]), source))
        if "%" not in source and source.startswith("/usr/") and not merged.exists(source):
            message = f"{line}\nneither the base nor the extension has {source}"
            yield merged.lacking("tmpfiles-source", path, message)
    for field, known, what in ((3, users.users, "user"), (4, users.groups, "group")):
        name = fields[field].lstrip(":~") if len(fields) > field else "-"
        numeric = NUMBER.fullmatch(name)
        if name not in {"", "-"} and "%" not in name and not numeric and name not in known:
            message = f"{line}\nno passwd, sysusers.d or userdb names the {what} {name}"
            yield merged.lacking("tmpfiles-owner", path, message)

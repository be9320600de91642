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
UDEVD_OF_MACHINE = "etc/systemd/system/systemd-udevd.service.d"
TMPFILES = "usr/lib/tmpfiles.d"
FACTORY = "/usr/share/factory"


def check_udev(merged: Merged) -> Iterator[Finding]:
    """Yield when rules come too late: udevd reads them once, before extensions are merged.

    A drop-in of the extension that has udevd wait is not there yet either when udevd starts; the
    next boot finds it where systemd-tmpfiles copied it to.
    """
    rules = [
        entry.path
        for entry in merged.tree
        if entry.path.startswith(UDEV_RULES + "/") and entry.kind is Kind.FILE
    ]
    if not rules:
        return
    copied = {
        _source(fields)
        for _, _, fields in _lines(merged)
        if fields[0].startswith("C")
        and fields[1:]
        and fields[1].startswith(f"/{UDEVD_OF_MACHINE}/")
    }
    for path, data in merged.files(UDEVD).items():
        if _waits(data) and (path not in merged.tree or f"/{path}" in copied):
            return
    message = (
        "udevd starts before the extension is merged and does not read the rules again"
        "\nlet the definition say udev_waits = true"
    )
    for path in rules:
        yield Finding("udev-rules-too-late", path, message)


def _waits(data: bytes) -> bool:
    return any(
        one.key == "After" and "systemd-sysext.service" in words(one.value)
        for one in read_unit(data)
    )


def check_tmpfiles(merged: Merged, users: Users) -> Iterator[Finding]:
    """Yield lines of the tree whose source or owner does not exist."""
    for path, line, fields in _lines(merged):
        yield from _check_line(merged, users, path, line, fields)


def _lines(merged: Merged) -> Iterator[tuple[str, str, list[str]]]:
    """Yield file, text and fields of each line of tmpfiles.d in the tree."""
    for entry in merged.tree:
        if entry.kind is Kind.FILE and entry.path.startswith(TMPFILES + "/"):
            data = merged.read(entry.path) or b""
            for line in data.decode("utf-8", "replace").splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    yield entry.path, line.strip(), words(line)


def _source(fields: list[str]) -> str:
    """Return the absolute path that a line of the types C and L leads to; tmpfiles.d(5)."""
    argument = " ".join(fields[6:])  # the rest of the line
    source = argument if argument not in {"", "-"} else FACTORY + fields[1]
    return posixpath.normpath(posixpath.join(posixpath.dirname(fields[1]), source))


def _check_line(
    merged: Merged, users: Users, path: str, line: str, fields: list[str]
) -> Iterator[Finding]:
    kind = fields[0]
    if len(fields) > 1 and kind[:1] in {"C", "L"} and "?" not in kind:
        source = _source(fields)
        if "%" not in source and source.startswith("/usr/") and not merged.exists(source):
            message = f"{line}\nneither the base nor the extension has {source}"
            yield merged.lacking("tmpfiles-source", path, message)
    for field, known, what in ((3, users.users, "user"), (4, users.groups, "group")):
        name = fields[field].lstrip(":~") if len(fields) > field else "-"
        numeric = NUMBER.fullmatch(name)
        if name not in {"", "-"} and "%" not in name and not numeric and name not in known:
            message = f"{line}\nno passwd, sysusers.d or userdb names the {what} {name}"
            yield merged.lacking("tmpfiles-owner", path, message)

"""The verbs of a definition: what it may do to the tree of its packages, as values.

``sysextlib.edit`` carries them out, in the order in which SysextDef lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sysextlib.toml_reader import Glob, TreePath  # noqa: TC001 - read at run time

_TMPFILES = re.compile(r"[A-Za-z][-+!=~^$?]*[ \t]+\"?[/%][^\n]*")
_SYSUSERS = re.compile(r"[ugmr]!?[ \t]+[^\s-][^\n]*")
_UNIT = re.compile(
    r"[A-Za-z0-9:_.@\\-]{1,200}\."
    r"(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)"
)
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_DROPIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*(?<!\.conf)")


class VendorHow(StrEnum):
    """What systemd-tmpfiles does at boot with a default that left /etc: copy it, or link to it."""

    COPY = "copy"
    LINK = "link"


class KernelModules(StrEnum):
    """How modprobe finds the modules that an extension brings."""

    HELPER = "helper"
    INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove what the globs match; ``set`` names a list of them that extensions share."""

    paths: tuple[Glob, ...] = ()
    set: str = ""
    optional: bool = False

    def __post_init__(self) -> None:
        if bool(self.paths) == bool(self.set):
            raise ValueError("say either paths or set")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOnly:
    """Below the folder ``below``, keep nothing but what the globs match."""

    below: TreePath
    paths: tuple[Glob, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Copy or move ``path`` to the path ``to``, or each match of it into the folder ``into``."""

    path: Glob
    to: TreePath | None = None
    into: TreePath | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if (self.to is None) == (self.into is None):
            raise ValueError("say either to or into")


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorEtc:
    """Move ``path`` from etc/ to usr/share/KEY/etc/, and let systemd-tmpfiles bring it back.

    :param conf: the tmpfiles.d file of the line; None is the file that bears our name.
    """

    path: TreePath
    how: VendorHow = VendorHow.COPY
    conf: TreePath | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if not self.path.startswith("etc/"):
            raise ValueError("path must lie below etc/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink:
    """Make a symlink."""

    path: TreePath
    target: str

    def __post_init__(self) -> None:
        size = len(self.target.encode())
        if not 0 < size < 4096 or "\0" in self.target or "\n" in self.target:
            raise ValueError("target must be the path that the link shall hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Write a small text; larger files lie below files/."""

    path: TreePath
    text: str
    mode: int = 0o644

    def __post_init__(self) -> None:
        if not 0 <= self.mode <= 0o777:
            raise ValueError("mode must be permission bits such as 0o644")


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Append lines to a file that a package brought."""

    path: TreePath
    lines: tuple[str, ...]
    optional: bool = False

    def __post_init__(self) -> None:
        if not self.lines or any("\n" in line for line in self.lines):
            raise ValueError("lines must hold at least one, each without a line break")


@dataclass(frozen=True, slots=True, kw_only=True)
class Presets:
    """Enable the units that a preset file names, as links beside them."""

    path: TreePath
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Make a user of the base or of systemd-userdbd a member of a group of the extension."""

    user: str
    group: str

    def __post_init__(self) -> None:
        for name in (self.user, self.group):
            if not _ACCOUNT.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a user or group")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpholdWants:
    """Turn the links of ``target``.wants into a drop-in that upholds the units."""

    target: str
    dropin: str = ""
    optional: bool = False

    def __post_init__(self) -> None:
        _check_unit(self.target)
        _check_dropin(self.dropin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfiles:
    """Lines for systemd-tmpfiles; without a path they go to the file that bears our name."""

    lines: tuple[str, ...]
    path: TreePath | None = None

    def __post_init__(self) -> None:
        _check_lines(self.lines, _TMPFILES, "tmpfiles.d(5)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysusers:
    """Lines for systemd-sysusers; without a path they go to the file that bears our name."""

    lines: tuple[str, ...]
    path: TreePath | None = None

    def __post_init__(self) -> None:
        _check_lines(self.lines, _SYSUSERS, "sysusers.d(5)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upholds:
    """Have ``target`` start the units and keep them up, by a drop-in named ``dropin``."""

    target: str
    units: tuple[str, ...]
    dropin: str = ""

    def __post_init__(self) -> None:
        if not self.units:
            raise ValueError("units must name at least one")
        for unit in (self.target, *self.units):
            _check_unit(unit)
        _check_dropin(self.dropin)


def _check_unit(name: str) -> None:
    if not _UNIT.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a unit")


def _check_dropin(name: str) -> None:
    if name and not _DROPIN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a drop-in; say it without .conf")


def _check_lines(lines: tuple[str, ...], regex: re.Pattern[str], format_name: str) -> None:
    if not lines:
        raise ValueError("lines must hold at least one")
    for line in lines:
        if not regex.fullmatch(line):
            raise ValueError(f"{line!r} is no line of {format_name}")

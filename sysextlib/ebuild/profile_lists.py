"""The lists that a profile's folder holds: lines, atoms, and flags of packages (portage(5))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sysextlib.ebuild.repository import read_lines
from sysextlib.errors import EbuildError, SysextError
from sysextlib.gentoo.atom import Atom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sysextlib.ebuild.specificity import FlagLines


def list_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a list that may be a folder of lists (portage(5), portage-1 and -2)."""
    if path.is_dir():
        for name in sorted(os.listdir(path)):
            if not name.startswith(".") and not name.endswith("~"):
                yield from list_lines(path / name)
        return
    yield from read_lines(path)


def list_atoms(path: Path) -> Iterator[tuple[str, Atom]]:
    """Yield the lines of a list of atoms, each with its atom, whose minus is left out."""
    for line in list_lines(path):
        yield line, _atom(line.lstrip("-"), path)


def flag_lines(path: Path) -> FlagLines:
    """Return lines of an atom and flags; ``NAME:`` stands for the prefix of those behind it."""
    found = []
    for line in list_lines(path):
        word, *flags = line.split()
        prefix = ""
        expanded = []
        for flag in flags:
            if flag.endswith(":"):
                prefix = flag[:-1].lower() + "_"
            else:
                expanded.append(prefixed(prefix, flag))
        found.append((_atom(word, path), tuple(expanded)))
    return tuple(found)


def _atom(text: str, source: Path) -> Atom:
    try:
        return Atom.parse(text, wildcards=True)
    except SysextError as error:
        raise EbuildError(error.brief, {"file": source, **error.facts}, error.hint) from error


def prefixed(prefix: str, value: str) -> str:
    """Return a flag of a USE_EXPAND variable; the minus of one that is off stays in front."""
    if value.startswith("-"):
        return "-" + prefix + value[1:]
    return prefix + value

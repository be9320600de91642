"""A system in memory, for checks: a base and an extension as dicts of paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sysextlib.check.all import check_tree
from sysextlib.gentoo.arch import Arch
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Entry, Kind, Tree
from tests.builders.base import tree_of
from tests.builders.definition import sysext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.binpkg.contents import Owned
    from sysextlib.definition import SysextDef
    from sysextlib.findings import Finding

Paths = Mapping[str, bytes | str | None]
SHELL: Paths = {"bin": "usr/bin", "usr/bin/sh": b"\n", "usr/bin/env": b"\n"}
UNITS = "usr/lib/systemd/system"


class MemoryBase:
    """What checks ask of a base."""

    def __init__(self, paths: Paths, owned: Mapping[str, tuple[str, Owned]] | None = None) -> None:
        self.tree = tree_of(paths)
        self._owned = owned or {}
        self._paths = RealPaths(self.tree.get)

    def get(self, path: str) -> Entry | None:
        return self.tree.get(path)

    def read(self, path: str) -> bytes | None:
        try:
            entry = self.get(self._paths.real(path))
        except LinkLoopError:
            return None
        return entry.content.read() if entry and entry.content else None

    def files(self, folder: str) -> Mapping[str, bytes]:
        return {
            entry.path: entry.content.read()
            for entry in self.tree
            if entry.path.startswith(folder + "/") and entry.kind is Kind.FILE and entry.content
        }

    def owned_below(self) -> Mapping[str, tuple[str, Owned]]:
        return self._owned


def findings(
    tree: Tree | Paths,
    base: Paths = SHELL,
    definition: SysextDef | None = None,
    after: Sequence[SysextDef] = (),
    owned: Mapping[str, tuple[str, Owned]] | None = None,
) -> tuple[Finding, ...]:
    """Return what every check together finds; a file is in the tree, lest that be empty."""
    whole = tree if isinstance(tree, Tree) else tree_of({"usr/share/demo": b"x", **tree})
    given = definition or sysext()
    return check_tree(whole, MemoryBase(base, owned), given, Arch.AMD64, after)


def keys(tree: Tree | Paths, base: Paths = SHELL, **more: object) -> list[str]:
    """Return the keys of the errors, and of others with their severity before them."""
    found = findings(tree, base, **more)  # type: ignore[arg-type]
    return [one.key if one.severity == "error" else f"{one.severity} {one.key}" for one in found]

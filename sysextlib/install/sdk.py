"""The sdk installer: real emerge merges over the base, and the layer it wrote becomes a Tree."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sysextlib.binpkg.contents import parse_contents
from sysextlib.binpkg.image_tar import Rules, read_stored_image
from sysextlib.binpkg.place import Place
from sysextlib.binpkg.spool import Spool
from sysextlib.binpkg.vdb import VDB, read_vdb
from sysextlib.errors import MergeConflictError, PackageError, ResolveError
from sysextlib.install.accounts import account_entry
from sysextlib.install.emerge import run_emerge
from sysextlib.install.native import Installed, conflict_error
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Entry, Kind, Tree, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sysextlib.base import Base
    from sysextlib.binpkg.contents import Owned
    from sysextlib.gentoo.package import Package
    from sysextlib.install.emerge import EmergeCall, Runner
    from sysextlib.progress import Progress

WHITEOUT: Final = (0, 0)  # overlayfs hides a lower file by a character device of this number
OVERLAY: Final = "trusted.overlay."
OPAQUE: Final = "trusted.overlay.opaque"
HOOKS: Final = "a package's hooks"  # the origin of what no package owns
# What emerge itself leaves in ROOT. None of it is part of what packages bring.
SIDE_EFFECTS: Final = (
    "var/db", "var/cache/edb", "var/cache/eix", "var/lib/portage", "var/lib/gentoo", "var/tmp",
    "tmp", "etc/env.d", "etc/profile.env", "etc/csh.env", "etc/environment.d/10-gentoo-env.conf",
    "etc/ld.so.cache*", "etc/ld.so.conf", "etc/ld.so.conf.d/05gentoo-*", "etc/prelink.conf.d",
    "var/log/portage", "var/log/emerge*.log", "var/cache/ldconfig",
    # the hooks of acct-* packages add users here; an extension has them in sysusers.d
    "etc/passwd*", "etc/group*", "etc/shadow*", "etc/gshadow*",
)  # fmt: skip
HOOK_PHASES: Final = frozenset({"setup", "preinst", "postinst"})
MOST_NAMED = 10  # replaced packages or paths that an error lists


@dataclass(frozen=True, slots=True)
class _Layer:
    """What emerge wrote over the base, sorted by what it is."""

    entries: Mapping[str, Entry]
    whiteouts: frozenset[str]
    opaque: frozenset[str]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> _Layer:
        kept, whiteouts, opaque = {}, set(), set()
        for entry in entries:
            if entry.kind is Kind.CHARDEV and entry.device == WHITEOUT:
                whiteouts.add(entry.path)
                continue
            if dict(entry.xattrs).get(OPAQUE) == b"y":
                opaque.add(entry.path)
            xattrs = tuple(pair for pair in entry.xattrs if not pair[0].startswith(OVERLAY))
            kept[entry.path] = replace(entry, xattrs=xattrs)
        return cls(kept, frozenset(whiteouts), frozenset(opaque))


def install_by_emerge(
    call: EmergeCall, runner: Runner, base: Base, *, spool: Path, log: Path, progress: Progress
) -> Installed:
    """Run emerge as ``call`` says, and return what it brought.

    :param spool: an existing folder for the bytes; the Tree refers to it.
    :param log: receives all that emerge says.
    :raises ResolveError: emerge found no plan, or one that changes the base.
    :raises MergeConflictError: two packages bring different files for one path.
    :raises SysextError: whatever else went wrong; the error shows the lines that matter.
    """
    with Spool.create(spool, "layer") as layer:
        said = run_emerge(call, runner, out=layer.write, log=log, progress=progress)
        layer.flush()
        try:
            image = read_stored_image(
                layer.path,
                spool,
                Place(layer.path),
                Rules(prefix=b".", origin="", allow_devices=True),
            )
        except PackageError as error:
            raise PackageError(
                f"what emerge installed cannot be read: {error.brief}", error.facts
            ) from error
    return _Reading(_Layer.of(image.entries), base, said.order).installed()


class _Reading:
    """One layer, and what it says of packages."""

    def __init__(self, layer: _Layer, base: Base, order: Mapping[str, int]) -> None:
        self._layer = layer
        self._base = base
        self._paths = RealPaths(lambda path: layer.entries.get(path) or base.get(path))
        self._metadata: dict[str, dict[str, bytes]] = {}
        for path, entry in layer.entries.items():
            if path.startswith(f"{VDB}/") and entry.content is not None and path.count("/") == 5:
                cpv, _, key = path[len(VDB) + 1 :].rpartition("/")
                self._metadata.setdefault(cpv, {})[key] = entry.content.read()
        self.packages = self._packages(order)

    def installed(self) -> Installed:
        """Return the result after it was seen that the base is untouched.

        :raises ResolveError: it is not.
        """
        self._require_base_untouched()
        owners = self._owners()
        entries = {}
        for path, entry in self._layer.entries.items():
            if path in owners:
                entries[path] = replace(entry, origin=owners[path])
            elif entry.kind is not Kind.DIRECTORY and not _is_side_effect(path):
                entries[path] = replace(entry, origin=HOOKS)
        for package in self.packages:
            account = account_entry(package, self._metadata[str(package.cpv)], entries.values())
            if account is not None:
                entries[account.path] = account
        leading = {parent for path in entries for parent in parents(path)} - entries.keys()
        for path in leading:
            folder = self._layer.entries.get(path) or self._base.get(path)
            if folder is not None:
                entries[path] = folder
        for entry in entries.values():
            if entry.kind in {Kind.CHARDEV, Kind.BLOCKDEV}:
                raise PackageError(f"{entry.origin} brings /{entry.path}, a {entry.kind}")
        ours = {str(package.cpv) for package in self.packages}
        vdb = Tree(
            replace(entry, origin=cpv)
            for path, entry in self._layer.entries.items()
            if path.startswith(f"{VDB}/") and (cpv := "/".join(path.split("/")[3:5])) in ours
        )
        return Installed(
            tree=Tree(entries.values()), packages=self.packages, vdb=vdb, masked=(), findings=()
        )

    def _packages(self, order: Mapping[str, int]) -> tuple[Package, ...]:
        """Return what was merged, in the order of emerge's plan."""
        known = {str(package.cpv) for package in self._base.installed}
        files = {
            f"{cpv}/{key}": data
            for cpv, values in self._metadata.items()
            if "CONTENTS" in values and (cpv not in known or self._is_replaced(f"{VDB}/{cpv}"))
            for key, data in values.items()
        }

        def place(package: Package) -> tuple[int, int]:
            cpv = str(package.cpv)
            counter = self._metadata[cpv].get("COUNTER", b"0").strip()
            return order.get(cpv, len(files)), int(counter) if counter.isdigit() else 0

        return tuple(sorted(read_vdb(files), key=place))

    def _is_replaced(self, path: str) -> bool:
        """Tell whether the layer hides what the base has; emerge removes empty folders too."""
        hidden = self._layer.whiteouts | self._layer.opaque
        return path in hidden or any(parent in hidden for parent in parents(path))

    def _require_base_untouched(self) -> None:
        """Refuse a layer that hides anything of the base.

        :raises ResolveError: naming the packages that emerge replaced or removed.
        """
        gone = [
            package for package in self._base.installed if self._is_replaced(f"{VDB}/{package.cpv}")
        ]
        if gone:
            by = {(package.cpv.cp, package.slot): package for package in self.packages}
            new = {old: by.get((old.cpv.cp, old.slot)) for old in gone}
            first, other = next(iter(new.items()))
            brief = f"{other} would replace {first} of the base"
            if other is None:
                brief = f"{first} of the base would be removed"
            facts = {"in the base": "\n".join(str(old) for old in gone[:MOST_NAMED])}
            hint = "the base is never changed: take packages that were built for this base"
            raise ResolveError(brief, facts, hint)
        hidden = sorted(
            path
            for path in self._layer.whiteouts | self._layer.opaque
            if not _is_side_effect(path) and self._base.get(path) is not None
        )
        if hidden:
            owners = self._base.owners(hidden[:MOST_NAMED])
            facts = {f"/{path}": owners.get(path, "base") for path in hidden[:MOST_NAMED]}
            facts["packages with hooks"] = ", ".join(map(str, self._with_hooks()))
            raise MergeConflictError(
                f"/{hidden[0]} of the base would be hidden",
                facts,
                hint="a hook removed it; leave its package out",
            )

    def _with_hooks(self) -> list[Package]:
        """Return the packages whose own code ran; no other can remove what is not its own."""
        found = []
        for package in self.packages:
            phases = self._metadata[str(package.cpv)].get("DEFINED_PHASES", b"")
            if HOOK_PHASES & set(phases.decode(errors="replace").split()):
                found.append(package)
        return found

    def _owners(self) -> dict[str, str]:
        """Return which package brought each path.

        :raises MergeConflictError: two packages brought different files.
        """
        owners: dict[str, str] = {}
        seen: dict[str, tuple[str, str]] = {}
        conflicts: dict[str, list[str]] = {}
        for package in self.packages:
            cpv = str(package.cpv)
            for item in parse_contents(self._metadata[cpv]["CONTENTS"], f"CONTENTS of {cpv}"):
                path = self._place(item)
                value = (item.kind, item.md5 or item.target)
                other = seen.setdefault(path, value)
                owner = owners.setdefault(path, cpv)
                if other != value:
                    conflicts.setdefault(path, []).append(
                        f"{owner} and {cpv}: {' '.join(other)}, {' '.join(value)}"
                    )
        if conflicts:
            raise conflict_error(conflicts)
        return owners

    def _place(self, item: Owned) -> str:
        try:
            return self._paths.place(item.path, follow=item.kind == "dir")
        except LinkLoopError:
            return item.path


def _is_side_effect(path: str) -> bool:
    return any(
        fnmatch.fnmatchcase(candidate, pattern)
        for candidate in (path, *parents(path))
        for pattern in SIDE_EFFECTS
    )

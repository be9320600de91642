"""The native installer: binary packages become one Tree, without root, mounts or Portage.

The rules are those of Portage's merge into a fresh root (portage.dbapi.vartree), learned from
what it does; an oracle test compares the results path by path. Where Portage would rename a file
that is in the way, or lets the later of two packages win, this is an error that names both.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sysextlib.binpkg.vdb import vdb_entries, vdb_tree
from sysextlib.errors import MergeConflictError
from sysextlib.findings import Finding, Severity, acknowledge
from sysextlib.install.accounts import account_entry
from sysextlib.install.compare import differences, leads_to_itself
from sysextlib.install.mask import InstallMask
from sysextlib.install.phases import FileCapability, PhaseEffects, phase_effects
from sysextlib.real_paths import LinkLoopError, RealPaths
from sysextlib.tree import Entry, Kind, Tree, directory_entry, parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sysextlib.base import BaseFiles
    from sysextlib.binpkg.model import BinaryPackage
    from sysextlib.gentoo.package import Package
    from sysextlib.progress import Progress

CONFLICTS_SHOWN = 20
CAPABILITY = "security.capability"


@dataclass(frozen=True, slots=True)
class Installed:
    """What the packages bring.

    :param tree: every path of every package, /usr or not, with the base's directories that lead
        to them; parents that no one names are 0755 root:root.
    :param packages: in merge order.
    :param vdb: their entries under var/db/pkg, which ``tree`` does not hold.
    :param masked: paths that INSTALL_MASK kept out, as the packages spell them.
    :param findings: acknowledged ones included.
    """

    tree: Tree
    packages: tuple[Package, ...]
    vdb: Tree
    masked: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """One package, ready to merge: its entries sorted, masked ones gone."""

    package: Package
    entries: tuple[Entry, ...]
    masked: tuple[str, ...]
    effects: PhaseEffects
    vdb: tuple[Entry, ...]


def install(
    packages: Sequence[BinaryPackage],
    base: BaseFiles,
    *,
    install_mask: Sequence[str] = (),
    acknowledged: Mapping[str, str] | None = None,
    spool: Path,
    progress: Progress,
    jobs: int = 1,
    counter: int = 0,
    record: bool = True,
) -> Installed:
    """Merge packages in the given order.

    :param base: what is there before; its symlinks are followed, its files are not compared.
    :param install_mask: the board's INSTALL_MASK.
    :param acknowledged: reason by key of the findings that the definition accepts.
    :param spool: an existing folder for the packages' bytes; the Tree refers to it.
    :param jobs: packages unpacked at once.
    :param counter: the highest COUNTER of the base's VDB; the packages get the next ones.
    :param record: make the VDB entries too; CONTENTS takes another reading of all bytes.
    :raises PackageError: a package is damaged or unsafe.
    :raises MergeConflictError: packages contradict each other; all paths are named.
    """
    mask = InstallMask(install_mask)
    merge = _Merge(base)
    vdb: list[Entry] = []
    masked: set[str] = set()

    def unpack(numbered: tuple[int, BinaryPackage]) -> _Unpacked:
        number, binary = numbered
        return _unpack(binary, mask, spool, counter + number if record else None)

    unpacked = _in_order(unpack, list(enumerate(packages, 1)), jobs)
    for number, item in enumerate(unpacked, 1):
        merge.package(item)
        vdb += item.vdb
        masked.update(item.masked)
        progress.advance(number, len(packages))
    return Installed(
        tree=merge.tree(),
        packages=tuple(binary.package for binary in packages),
        vdb=vdb_tree(vdb),
        masked=tuple(sorted(masked)),
        findings=acknowledge(merge.findings, acknowledged or {}),
    )


def _in_order(
    work: Callable[[tuple[int, BinaryPackage]], _Unpacked],
    items: Sequence[tuple[int, BinaryPackage]],
    jobs: int,
) -> Iterator[_Unpacked]:
    """Work in threads, yield in order; after an error what has not begun is left."""
    with ThreadPoolExecutor(max(1, jobs), "unpack") as pool:
        waiting = [pool.submit(work, item) for item in items]
        try:
            for future in waiting:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _unpack(
    binary: BinaryPackage, mask: InstallMask, spool: Path, counter: int | None
) -> _Unpacked:
    package = binary.package
    effects = phase_effects(package, binary.metadata)
    entries = binary.unpack(spool).entries
    account = account_entry(package, binary.metadata, entries)
    if account is not None:
        entries = (*entries, account)
    kept, masked = mask.apply(entries)
    kept = tuple(sorted(kept, key=lambda entry: entry.parts))
    vdb = [] if counter is None else vdb_entries(package, binary.metadata, kept, counter)
    return _Unpacked(package, kept, masked, effects, tuple(vdb))


class _Merge:
    """The growing tree."""

    def __init__(self, base: BaseFiles) -> None:
        self.findings: list[Finding] = []
        self._base = base
        self._entries: dict[str, Entry] = {}
        self._paths = RealPaths(self._lookup)
        self._conflicts: dict[str, list[str]] = {}
        self._named = ""  # the path that is being added, as its package spells it

    def package(self, item: _Unpacked) -> None:
        """Add a package's entries, then what its phases would do to them."""
        for entry in item.entries:
            if entry.hardlink:  # tokens are unique within a package only
                token = f"{item.package} {entry.hardlink}"
                self._add(replace(entry, hardlink=token))
            else:
                self._add(entry)
        for capability in item.effects.capabilities:
            self._set_capability(capability, item)
        self.findings += item.effects.findings

    def tree(self) -> Tree:
        """Return the result.

        :raises MergeConflictError: with every conflict that was met.
        """
        if self._conflicts:
            raise conflict_error(self._conflicts)
        leading = {parent for path in self._entries for parent in parents(path)}
        for path in leading - self._entries.keys():
            folder = self._base.get(path)
            if folder is not None:
                self._entries[path] = folder
        return Tree(self._entries.values())

    def _lookup(self, path: str) -> Entry | None:
        return self._entries.get(path) or self._base.get(path)

    def _add(self, entry: Entry) -> None:
        try:
            path = self._paths.place(entry.path, follow=entry.kind is Kind.DIRECTORY)
        except LinkLoopError as error:
            why = f"{entry.origin}: {error}: {error.way}"
            self._conflicts.setdefault(entry.path, []).append(why)
            return
        self._named = entry.path
        if path != entry.path:
            entry = replace(entry, path=path)
        above = self._nearest_above(path)
        if above is not None and above.kind is not Kind.DIRECTORY:
            self._conflict(entry, above)
            return
        self._add_parents(entry, above)
        if entry.kind is Kind.DIRECTORY:
            self._add_directory(entry)
        else:
            self._add_other(entry)

    def _nearest_above(self, path: str) -> Entry | None:
        """Return the nearest thing that leads to ``path``."""
        for parent in parents(path):
            above = self._lookup(parent)
            if above is not None:
                return above
        return None

    def _add_parents(self, entry: Entry, above: Entry | None) -> None:
        """Add directories that lead to an entry and that its package does not name."""
        for parent in parents(entry.path):
            if above is not None and parent == above.path:
                break
            self._entries[parent] = replace(
                directory_entry(parent), mtime=entry.mtime, origin=entry.origin
            )

    def _add_directory(self, entry: Entry) -> None:
        """Add a directory; one that is there already keeps its mode and owner, as in Portage."""
        known = self._lookup(entry.path)
        ours = self._entries.get(entry.path)
        if known is not None and known.kind is not Kind.DIRECTORY:
            self._conflict(entry, known)
        elif ours is None and entry.path:
            self._entries[entry.path] = entry
        elif ours is not None and (unlike := differences(ours, entry)):
            message = f"{entry.origin} wants another {unlike[0]}; {ours.origin} came first"
            self.findings.append(Finding("directory-differs", entry.path, message, Severity.NOTE))

    def _add_other(self, entry: Entry) -> None:
        known = self._lookup(entry.path)
        if known is not None and known.kind is Kind.DIRECTORY:
            if not leads_to_itself(entry, self._paths):
                self._conflict(entry, known)
            return
        ours = self._entries.get(entry.path)
        if ours is None:
            self._entries[entry.path] = entry
            if entry.kind is Kind.SYMLINK:
                self._paths.forget()
        elif differences(entry, ours):
            self._conflict(entry, ours)
        else:
            message = f"{entry.origin} and {ours.origin} bring the same file"
            self.findings.append(Finding("duplicate-file", entry.path, message, Severity.NOTE))

    def _conflict(self, entry: Entry, known: Entry) -> None:
        owners = f"{known.origin or 'an earlier package'} and {entry.origin or 'a package'}"
        if known.path != entry.path:
            what = f"/{known.path} is a {known.kind}, not a directory"
        else:
            what = ", ".join(differences(known, entry))
        if self._named != entry.path:
            what += f" (named /{self._named})"
        self._conflicts.setdefault(entry.path, []).append(f"{owners}: {what}")

    def _set_capability(self, capability: FileCapability, item: _Unpacked) -> None:
        """Give a file what fcaps would; every name of its inode gets the same."""
        package = item.package
        path = capability.path
        with suppress(LinkLoopError):  # then there is no file
            path = self._paths.place(path)
        entry = self._entries.get(path)
        if entry is None or entry.kind is not Kind.FILE:
            is_masked = capability.path in item.masked
            self.findings.append(
                Finding(
                    "no-file-for-capability",
                    f"{package.cpv.cp}:{capability.path}",
                    f"{package.cpv} gives capabilities to /{capability.path}, which "
                    + ("INSTALL_MASK keeps out" if is_masked else "is no file that it brings"),
                    Severity.NOTE if is_masked else Severity.ERROR,
                )
            )
            return
        names = [entry]
        if entry.hardlink:
            names = [e for e in self._entries.values() if e.hardlink == entry.hardlink]
        for each in names:
            others = [pair for pair in each.xattrs if pair[0] != CAPABILITY]
            xattrs = tuple(sorted([*others, (CAPABILITY, capability.xattr)]))
            self._entries[each.path] = replace(
                each, mode=capability.mode_of(each.mode), xattrs=xattrs
            )


def conflict_error(conflicts: Mapping[str, Sequence[str]]) -> MergeConflictError:
    """Return the error for paths in which packages contradict each other, or the base."""
    paths = sorted(conflicts)
    facts: dict[str, object] = {
        f"/{path}": "\n".join(conflicts[path]) for path in paths[:CONFLICTS_SHOWN]
    }
    if len(paths) > CONFLICTS_SHOWN:
        facts["and"] = f"{len(paths) - CONFLICTS_SHOWN} more paths"
    first = paths[0]
    return MergeConflictError(
        f"cannot merge /{first}" if len(paths) == 1 else f"cannot merge {len(paths)} paths",
        facts,
        hint="leave one of the packages out",
    )

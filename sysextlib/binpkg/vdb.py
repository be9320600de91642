"""The database of installed packages: var/db/pkg/CATEGORY/PF/KEY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.binpkg.contents import owned_by, render_contents
from sysextlib.binpkg.metadata import package_from_vdb
from sysextlib.errors import PackageError
from sysextlib.tree import Entry, Tree, directory_entry, file_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sysextlib.gentoo.package import Package

VDB = "var/db/pkg"
MERGING = "-MERGING-"  # Portage's name for an entry that is not complete yet


def read_vdb(files: Mapping[str, bytes]) -> tuple[Package, ...]:
    """Return the installed packages, sorted by name.

    :param files: contents by "CATEGORY/PF/KEY", relative to var/db/pkg. What lies elsewhere
        there (lock files, an unfinished merge) is passed over, as Portage does.
    :raises PackageError: an entry is damaged.
    """
    entries: dict[str, dict[str, bytes]] = {}
    for path, data in files.items():
        category, _, rest = path.partition("/")
        pf, _, key = rest.partition("/")
        if not key or "/" in key or pf.startswith((MERGING, ".")) or category.startswith("."):
            continue
        entries.setdefault(f"{category}/{pf}", {})[key] = data
    packages = [package_from_vdb(values, cpv, f"{VDB}/{cpv}") for cpv, values in entries.items()]
    return tuple(sorted(packages, key=lambda package: package.cpv))


def vdb_entries(
    package: Package, metadata: Mapping[str, bytes], tree: Iterable[Entry], counter: int
) -> list[Entry]:
    """Return the VDB entry of a package as files and folders below var/db/pkg.

    It holds the binary package's metadata as stored, CONTENTS and COUNTER. No clock takes part:
    the times are the package's BUILD_TIME.

    :param tree: what the package owns once it is merged.
    :param counter: place among all merges, from 1.
    :raises PackageError: the metadata names another package.
    """
    pf = metadata.get("PF", b"").decode("utf-8", "replace").strip()
    if pf and pf != package.cpv.pf:
        raise PackageError(f"the metadata of {package.cpv} is that of another package", {"PF": pf})
    when = package.build_time
    folder = f"{VDB}/{package.cpv.category}/{package.cpv.pf}"
    values = {
        **metadata,
        "CONTENTS": render_contents(owned_by(tree)),
        "COUNTER": str(counter).encode(),
    }
    origin = str(package.cpv)
    entries = [directory_entry(f"{VDB}/{package.cpv.category}", mtime=when, origin=origin)]
    entries.append(directory_entry(folder, mtime=when, origin=origin))
    entries += [
        file_entry(f"{folder}/{key}", data, mtime=when, origin=origin)
        for key, data in sorted(values.items())
    ]
    return entries


def vdb_tree(entries: Iterable[Entry]) -> Tree:
    """Return the entries of several packages as one tree; they share their category's folder."""
    return Tree({entry.path: entry for entry in entries}.values())

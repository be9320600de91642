"""What files of extensions below, which count as installed, an extension would hide.

Of those extensions a build sees the package databases alone, so what their packages brought is
known by CONTENTS: type, MD5 and target, and nothing of modes, labels or what was edited out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.binpkg.contents import owned_by
from sysextlib.findings import Finding
from sysextlib.tree import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sysextlib.binpkg.contents import Owned
    from sysextlib.tree import Tree


KINDS = {"obj": Kind.FILE, "dir": Kind.DIRECTORY, "sym": Kind.SYMLINK}


def entries_below(owned: Mapping[str, tuple[str, Owned]]) -> dict[str, Entry]:
    """Return what is known as entries: files without content, which everyone may execute."""
    return {
        path: Entry(path=path, kind=KINDS[item.kind], mode=0o755, target=item.target, origin=cpv)
        for path, (cpv, item) in owned.items()
        if item.kind in KINDS
    }


def check_below(tree: Tree, owned: Mapping[str, tuple[str, Owned]]) -> Iterator[Finding]:
    """Yield an error for each path that an extension below has otherwise: one would hide the other.

    The same bytes twice harm nobody and are left alone.

    :param owned: by path, the cpv and line of CONTENTS of extensions that count as installed.
    """
    for entry in tree:
        if entry.path not in owned:
            continue
        owner, theirs = owned[entry.path]
        (ours,) = owned_by([entry])
        if (ours.kind, ours.md5, ours.target) != (theirs.kind, theirs.md5, theirs.target):
            yield Finding(
                "hides-below",
                entry.path,
                f"{entry.origin or 'the definition'} brings it, and {owner} of an extension below"
                " brings another: where both are merged, one hides the other",
            )

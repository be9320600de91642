"""Every check of a finished tree, in one call."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from sysextlib.check.below import check_below, entries_below
from sysextlib.check.boot import check_tmpfiles, check_udev
from sysextlib.check.files import check_files, check_payload
from sysextlib.check.libraries import check_libraries
from sysextlib.check.merged import Merged
from sysextlib.check.privileges import check_privileges
from sysextlib.check.scripts import check_scripts
from sysextlib.check.secrets import check_secrets
from sysextlib.check.units import check_units
from sysextlib.check.users import check_owners, known_users

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.check.merged import BaseSystem
    from sysextlib.definition import SysextDef
    from sysextlib.findings import Finding
    from sysextlib.gentoo.arch import Arch
    from sysextlib.tree import Tree


def check_tree(
    tree: Tree, base: BaseSystem, definition: SysextDef, arch: Arch, after: Sequence[SysextDef] = ()
) -> tuple[Finding, ...]:
    """Return all that would not work on a machine that has the base and merges the tree.

    :param tree: the entries of a build's images.
    :param after: the extensions below it. Of them the definitions' own files are known, and paths
        where the base comes with their databases; what is missing is only warned of.
    """
    owned = base.owned_below()
    below = [{entry.path: entry for entry in one.files} for one in after]
    merged = Merged(tree, base, [*below, entries_below(owned)] if owned else below)
    users = known_users(merged)
    return tuple(
        chain(
            check_files(merged),
            check_payload(merged, definition),
            check_privileges(tree, definition.privileged),
            check_owners(merged, users),
            check_units(merged, users),
            check_udev(merged),
            check_tmpfiles(merged, users),
            check_secrets(merged),
            check_scripts(merged),
            check_libraries(merged, arch),
            check_below(tree, owned),
        )
    )

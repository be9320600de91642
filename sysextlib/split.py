"""Which entries go into which image: what is new below /usr, and below /etc when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import BaseError, DefinitionError
from sysextlib.install.keep import Kept, keep_new, only_etc, only_usr
from sysextlib.install.settle import settled
from sysextlib.stamp import confext_stamp, stamped
from sysextlib.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.base import Base
    from sysextlib.definition import SysextDef
    from sysextlib.findings import Finding
    from sysextlib.image.release import ExtensionRelease
    from sysextlib.install.keep import Dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The trees of a build's images, stamped; mtimes not newer than the base.

    :param etc: the confext's; empty when the definition asks for none.
    """

    usr: Tree
    etc: Tree
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]


def split(tree: Tree, release: ExtensionRelease, base: Base, definition: SysextDef) -> Split:
    """Keep what the base does not have, below /usr and, for a confext, below /etc.

    :raises MergeConflictError: see ``keep_new`` and ``stamped``.
    :raises BaseError: /usr/lib of the base is no directory.
    :raises DefinitionError: a confext is asked for, and nothing is left for it.
    """
    whole = stamped(tree, release, base.epoch)
    if not definition.confext:
        kept = _keep_usr(whole, release, base, definition.may_replace)
        return _of(kept, only_usr(kept.tree), Kept(Tree()), base)
    globs = definition.may_replace
    of_usr = [glob for glob in globs if not glob.startswith("etc/")]
    kept = _keep_usr(whole, release, base, of_usr)
    of_etc = [glob for glob in globs if glob.startswith("etc/")]
    new = keep_new(only_etc(tree), base, of_etc, top="etc")
    if not len(new.tree):
        raise DefinitionError(
            f"{definition.name} shall have a confext, and nothing below /etc is left for it",
            {"the base has the same": ", ".join(new.identical) or "(nothing)"},
            hint="remove confext from the definition",
        )
    etc = stamped(new.tree, confext_stamp(release), base.epoch)
    return _of(kept, only_usr(kept.tree, other="etc"), Kept(etc, findings=new.findings), base)


def _keep_usr(
    tree: Tree, release: ExtensionRelease, base: Base, may_replace: Sequence[str]
) -> Kept:
    kept = keep_new(tree, base, may_replace)
    if release.path not in kept.tree:
        raise BaseError(
            "no extension can be made for the base image: its symlinks lead the stamp away",
            {"file": base.image, "stamp": f"/{release.path}"},
            hint="systemd looks for it at that very path; /usr and /usr/lib must be directories",
        )
    return kept


def _of(kept: Kept, usr: Kept, etc: Kept, base: Base) -> Split:
    return Split(
        usr=settled(usr.tree, base.epoch),
        etc=settled(etc.tree, base.epoch),
        dropped=(*kept.dropped, *usr.dropped),
        findings=(*kept.findings, *etc.findings),
    )

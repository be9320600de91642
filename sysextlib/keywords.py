"""For which architectures the ebuilds of a checkout say that an extension is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.definition import SysextKind
from sysextlib.ebuild.metadata import evaluate_ebuild
from sysextlib.ebuild.repository import (
    Eclasses,
    eclass_folders,
    open_repositories,
    read_source,
)
from sysextlib.gentoo.arch import Arch
from sysextlib.gentoo.cpv import Cpv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.definition import SysextDef

REPOSITORIES = ("sdk_container/src/third_party/coreos-overlay",
                "sdk_container/src/third_party/portage-stable")  # fmt: skip


def with_keywords(catalogue: Mapping[str, SysextDef], root: Path) -> dict[str, SysextDef]:
    """Return the catalogue with the arches of OEM extensions as their ebuilds' KEYWORDS have them.

    As upstream, "~amd64" counts as "amd64", and the newest version decides. A definition whose
    ebuild is not in the checkout, or a checkout without ebuilds, stays as it is.

    :raises EbuildError: an ebuild cannot be evaluated.
    """
    found = dict(catalogue)
    folders = [root / place for place in REPOSITORIES if (root / place).is_dir()]
    if not folders or not (folders[0] / "coreos-base").is_dir():
        return found
    repositories = open_repositories(folders)
    first = next(one for one in repositories.values() if one.path == folders[0])
    eclasses = Eclasses(eclass_folders(first, repositories))
    for key, definition in catalogue.items():
        if definition.kind is not SysextKind.OEM or definition.main_package is None:
            continue
        newest = _newest(folders[0], definition.main_package.cp)
        if newest is not None:
            cpv, file = newest
            values = evaluate_ebuild(read_source(file), cpv, str(file), eclasses)
            words = {word.removeprefix("~") for word in values.value("KEYWORDS").split()}
            arches = tuple(arch for arch in Arch if arch.value in words)
            found[key] = replace(definition, arches=arches)
    return found


def _newest(repository: Path, cp: str) -> tuple[Cpv, Path] | None:
    category = cp.partition("/")[0]
    files = {
        Cpv.parse(f"{category}/{path.stem}"): path for path in (repository / cp).glob("*.ebuild")
    }
    return max(files.items(), default=None)

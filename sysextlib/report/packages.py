"""NAME_packages.txt: the merged packages, as ``equery list`` with upstream's format prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sysextlib.gentoo.package import Package


def packages_text(packages: Iterable[Package]) -> str:
    """Return one line a package, ``category/name-version::repository``, in the order of cpvs."""
    ordered = sorted(packages, key=lambda package: (package.cpv, package.repo))
    return "".join(f"{package.cpv}::{package.repo}\n" for package in ordered)

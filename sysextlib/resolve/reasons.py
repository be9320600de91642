"""Why packages were merged that somebody else chose: a plan out of what emerge did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.errors import ValueSyntaxError
from sysextlib.resolve.plan import MergePlan, MergeStep
from sysextlib.resolve.universe import atoms_of, read_needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.gentoo.atom import Atom
    from sysextlib.gentoo.package import Package


def plan_of(packages: Sequence[Package], wanted: Sequence[Atom]) -> MergePlan:
    """Return the plan that merges these packages in this order.

    A package's reason is the nearest way from it to what was asked for.
    """
    reasons: dict[Package, tuple[str, ...]] = {
        package: ("asked for",)
        for package in packages
        if any(atom.matches(package) for atom in wanted)
    }
    todo = list(reasons)
    while todo:
        parent = todo.pop(0)
        for key, atom in _needs(parent):
            for package in packages:
                if package not in reasons and atom.matches(package, parent.use):
                    reasons[package] = (f"{key} of {parent}", *reasons[parent])
                    todo.append(package)
    return MergePlan(
        tuple(
            MergeStep(package, reasons.get(package, ("chosen by emerge",))) for package in packages
        )
    )


def _needs(package: Package) -> Iterator[tuple[str, Atom]]:
    for key, text in (
        ("RDEPEND", package.rdepend),
        ("PDEPEND", package.pdepend),
        ("IDEPEND", package.idepend),
    ):
        try:
            yield from (
                (key, atom) for atom in atoms_of(read_needs(package, key, text)) if not atom.blocker
            )
        except ValueSyntaxError:  # emerge could make sense of it
            continue

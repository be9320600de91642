"""Which of the lines of a profile's list that match a package counts most: the most specific.

As Portage's ordered_by_atom_specificity has it; portage(5) says nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.gentoo.atom import Atom
    from sysextlib.gentoo.package import Package

FlagLines: TypeAlias = "tuple[tuple[Atom, tuple[str, ...]], ...]"

_RANKS: Final = {"=": 6, "~": 5, "<": 2, "<=": 2, ">": 2, ">=": 2, "": 1}
_GLOB, _SLOT, _RELATION = 4, 3, 2


def matching_flags(lines: FlagLines, package: Package) -> list[str]:
    """Return the flags of the lines that match a package, the least specific line's first.

    Of lines that are equally specific the first counts most, so it comes last.
    """
    found: dict[Atom, tuple[str, ...]] = {}
    for atom, flags in lines:
        if atom.matches_version_slot(package):
            found[atom] = (*found.get(atom, ()), *flags)
    if len(found) < 2:
        return [flag for flags in found.values() for flag in flags]
    order: list[Atom] = []
    left = list(found)
    while left:
        best = _best(left, package)
        left.remove(best)
        order.append(best)
    return [flag for atom in reversed(order) for flag in found[atom]]


def _best(atoms: Sequence[Atom], package: Package) -> Atom:
    best, highest = atoms[0], _rank(atoms[0])
    for atom in atoms[1:]:
        rank = _rank(atom)
        if rank > highest or (rank == highest == _RELATION and _is_nearer(atom, best, package)):
            best, highest = atom, rank
    return best


def _rank(atom: Atom) -> int:
    if "*" in atom.category or "*" in atom.name:
        return 0 if atom.op else -1 if atom.slot else -2
    rank = _GLOB if atom.glob else _RANKS[atom.op]
    return max(rank, _SLOT) if atom.slot else rank


def _is_nearer(atom: Atom, best: Atom, package: Package) -> bool:
    """Tell whether an atom's version lies between the best one's and the package's."""
    assert atom.version is not None
    assert best.version is not None
    own = package.cpv.version
    if own in (best.version, atom.version):
        return own == atom.version != best.version
    return own < atom.version < best.version or own > atom.version > best.version

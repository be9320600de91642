"""In which order the alternatives of ``||`` are tried: the preferences of emerge.

PMS 8.2.3 leaves the choice open. What emerge prefers was learned by running it: alternatives
that are in the base or chosen already come first, then those that can be had, then the rest;
among equals the order of the ebuild holds, unless a later one brings a higher version of the
same package.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import AllOf, AnyOf
from sysextlib.resolve.universe import atoms_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sysextlib.gentoo.dependency import Node
    from sysextlib.resolve.state import State
    from sysextlib.resolve.universe import Candidate

Option: TypeAlias = "tuple[Node, ...]"

MOST_WEIGHED: Final = 256  # alternatives, or combinations of groups, that are weighed together
MOST_VIRTUALS: Final = 8  # how deep virtuals behind virtuals are looked through


@dataclass(slots=True, eq=False)
class _Rank:
    """How an alternative stands to what is there.

    :param tier: 0 when it is in the base or chosen, 1 when it can be had, 2 when it cannot.
    :param new: how many packages it would bring; ``new_slots`` does not count virtuals.
    """

    option: Option
    tier: int
    all_chosen: bool = False
    slots_in_base: bool = False
    new: int = 0
    new_slots: int = 0
    best: dict[str, Candidate] = field(default_factory=dict)


def alternatives(node: AnyOf) -> list[Option]:
    """Return what may be chosen: one conjunction each, with ``||`` in ``||`` made flat."""
    found: list[Option] = []
    for child in node.children:
        if isinstance(child, AnyOf):
            found += alternatives(child)
        elif isinstance(child, AllOf):
            found.append(child.children)
        else:
            found.append((child,))
    return found


def regroup(nodes: Sequence[Node]) -> list[tuple[Node, bool]]:
    """Make one group of the ``||`` groups of a package that speak of the same packages.

    ``|| ( a b ) || ( b c )`` becomes ``|| ( ( a b ) ( a c ) b ( b c ) )``, so that b alone can
    be found to be enough. Returns each node with whether any group was made that way, in which
    case emerge prefers what brings the fewest new packages.
    """
    if len(nodes) > MOST_WEIGHED:
        return [(node, False) for node in nodes]
    groups: list[tuple[set[str], list[AnyOf]]] = []
    rest: list[Node] = []
    for node in nodes:
        names = {a.cp for a in atoms_of(node) if not a.blocker}
        if not isinstance(node, AnyOf) or not names:
            rest.append(node)
            continue
        members = [node]
        apart = []
        for other_names, others in groups:
            if names.isdisjoint(other_names):
                apart.append((other_names, others))
            else:
                names |= other_names
                members = others + members
        groups = [*apart, (names, members)]
    joined = False
    merged: list[Node] = []
    for _names, group in groups:
        unique = list({str(member): member for member in group}.values())
        if len(unique) > 1 and math.prod(len(alternatives(m)) for m in unique) <= MOST_WEIGHED:
            joined = True
            merged.append(_product(unique))
        else:
            merged += unique
    return [(node, joined) for node in (*rest, *merged)]


def _product(groups: Iterable[AnyOf]) -> AnyOf:
    combined: list[Node] = []
    for combination in itertools.product(*map(alternatives, groups)):
        nodes = {str(node): node for option in combination for node in option}
        combined.append(AllOf(tuple(nodes.values())))
    return AnyOf(tuple(combined))


@dataclass(frozen=True, slots=True)
class _View:
    """From where alternatives are looked at: the parent's flags, and the virtuals looked through.

    :param virtuals: the atoms behind each virtual, shared by all alternatives of a group; one
        that is being looked through has none yet, which ends circles.
    """

    state: State
    use: frozenset[str]
    virtuals: dict[Candidate, list[Atom]]
    depth: int = 0


def ordered(
    state: State, node: AnyOf, use: frozenset[str], *, fewest: bool = False
) -> list[Option]:
    """Return the alternatives in the order in which to try them.

    :param fewest: among equals prefer those that bring the fewest new slots.
    """
    return _ordered(_View(state, use, {}), node, fewest)


def _ordered(view: _View, node: AnyOf, fewest: bool = False) -> list[Option]:
    tiers: tuple[list[_Rank], ...] = ([], [], [])
    for option in alternatives(node):
        rank = _rank(view, option)
        tiers[rank.tier].append(rank)
    for tier in tiers[:2]:
        if fewest:
            tier.sort(key=lambda rank: rank.new_slots)
        _promote(tier)
    return [rank.option for tier in tiers for rank in tier]


def _rank(view: _View, option: Option) -> _Rank:
    state, use = view.state, view.use
    atoms = _wanted(view, option)
    rank = _Rank(option, 2)
    slots: dict[tuple[str, str], Candidate] = {}
    for atom in atoms:
        picked = state.pick(atom, use)
        if picked is None or (not state.settled(picked) and state.clash(picked)):
            return rank
        slots[picked.slot] = picked
        highest = rank.best.get(atom.cp)
        if highest is None or picked.package.cpv.version > highest.package.cpv.version:
            rank.best[atom.cp] = picked
    # emerge holds that virtuals cost nothing.
    real = [c for c in slots.values() if c.package.cpv.category != "virtual"]
    base = state.universe.base
    in_base = all(base(candidate.package.cpv.cp) for candidate in real)
    rank.all_chosen = all(not c.installed and state.settled(c) for c in real)
    rank.slots_in_base = in_base and all(
        any(other.slot == candidate.slot for other in base(candidate.package.cpv.cp))
        for candidate in real
    )
    rank.new = sum(not state.settled(candidate) for candidate in slots.values())
    rank.new_slots = sum(not state.settled(candidate) for candidate in real)
    rank.tier = 0 if in_base or rank.all_chosen else 1
    return rank


def _promote(ranks: list[_Rank]) -> None:
    """Move later alternatives before earlier ones that they beat, as emerge does."""
    if len(ranks) > MOST_WEIGHED:
        return
    for later in ranks[1:]:
        for place, earlier in enumerate(ranks):
            if earlier is later:
                break
            if _beats(later, earlier):
                ranks.remove(later)
                ranks.insert(place, later)
                break


def _beats(later: _Rank, earlier: _Rank) -> bool:
    if later.new > earlier.new:
        return False
    if later.slots_in_base and not earlier.slots_in_base:
        return True
    up = down = False
    for cp in later.best.keys() & earlier.best.keys():
        one, two = later.best[cp].package.cpv.version, earlier.best[cp].package.cpv.version
        up |= one > two
        down |= one < two
    if up and not down:
        return True
    return later.all_chosen and not earlier.all_chosen and not (down and not up)


def _wanted(view: _View, nodes: Iterable[Node]) -> list[Atom]:
    """Return the atoms of a conjunction: the best of inner groups, and what virtuals want."""
    atoms: list[Atom] = []
    for node in nodes:
        if isinstance(node, AnyOf):
            if node.children:
                atoms += _wanted(view, _ordered(view, node)[0])
        elif isinstance(node, AllOf):
            atoms += _wanted(view, node.children)
        elif isinstance(node, Atom) and not node.blocker and not view.state.universe.provided(node):
            atoms.append(node)
            if node.category == "virtual":
                atoms += _behind(view, node)
    return atoms


def _behind(view: _View, virtual: Atom) -> list[Atom]:
    """Return the atoms that a virtual that would be new wants in its turn."""
    picked = view.state.pick(virtual, view.use)
    if picked is None or picked.installed or view.depth == MOST_VIRTUALS:
        return []
    if picked not in view.virtuals:
        view.virtuals[picked] = []
        inner = replace(view, use=picked.package.use, depth=view.depth + 1)
        needs = view.state.universe.needs(picked)["RDEPEND"]
        view.virtuals[picked] = _wanted(inner, needs.children)
    return view.virtuals[picked]

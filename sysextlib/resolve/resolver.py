"""From what an extension asks for to the packages that are merged for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.errors import ResolveError, ValueSyntaxError
from sysextlib.resolve.order import merge_order
from sysextlib.resolve.plan import MergePlan, MergeStep
from sysextlib.resolve.search import Search
from sysextlib.resolve.universe import Universe, atoms_of, read_needs
from sysextlib.resolve.use_request import UseRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.gentoo.atom import Atom
    from sysextlib.gentoo.cpv import Cpv
    from sysextlib.gentoo.package import Package
    from sysextlib.resolve.state import State
    from sysextlib.resolve.universe import Candidate

_ANY_USE = UseRequest()


def resolve(
    wanted: Sequence[Atom],
    available: Sequence[Package],
    installed: Sequence[Package],
    *,
    use: UseRequest = _ANY_USE,
    provided: Sequence[Cpv] = (),
) -> MergePlan:
    """Find what must be merged over a base for the wanted packages to work, all in one search.

    As ``emerge --usepkgonly --binpkg-respect-use=y --oneshot`` finds it, but the base is never
    changed: nothing replaces, reinstalls or removes one of its packages. RDEPEND and PDEPEND
    are followed; DEPEND and BDEPEND are not, and IDEPEND only orders what is merged anyway,
    since emerge looks for it on the system it runs on and not in ROOT. Licences are not asked
    again, nor KEYWORDS unless by a profile: a binhost holds what its board accepted.

    The result depends on the values only, not on the order of ``available`` and ``installed``.

    :param available: what the binhosts hold.
    :param installed: the base's packages.
    :param use: the flags that a package must have been built with.
    :param provided: what package.provided says the system has.
    :raises ResolveError: no set of packages satisfies what is wanted, or none was found within
        MOST_ATTEMPTS.
    """
    for atom in wanted:
        if atom.blocker:
            raise ResolveError(f"{atom} is a blocker, which nobody can ask for")
    universe = Universe(available, installed, use, provided)
    state = Search(universe).run(wanted)
    return MergePlan(
        tuple(
            MergeStep(candidate.package, state.chosen[candidate.slot].requirement.reasons)
            for candidate in _ordered(state)
        )
    )


def _ordered(state: State) -> list[Candidate]:
    chosen = [placed.candidate for placed in state.chosen.values()]
    runtime: dict[Candidate, list[Candidate]] = {}
    post: dict[Candidate, list[Candidate]] = {}
    for parent, child, why in state.links:
        edges = runtime if why == "RDEPEND" else post
        edges.setdefault(parent, []).append(child)
    install = {candidate: _needed_while_merged(state, candidate) for candidate in chosen}
    return merge_order(chosen, install, runtime, post)


def _needed_while_merged(state: State, candidate: Candidate) -> list[Candidate]:
    """Return the chosen packages that IDEPEND names."""
    package = candidate.package
    try:
        atoms = list(atoms_of(read_needs(package, "IDEPEND", package.idepend)))
    except ValueSyntaxError:
        return []
    return [
        placed.candidate
        for atom in atoms
        if not atom.blocker
        for placed in state.chosen_of(atom.cp)
        if state.universe.matches(atom, placed.candidate, package.use)
        and placed.candidate is not candidate
    ]

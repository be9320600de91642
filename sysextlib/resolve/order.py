"""The order in which packages are merged: what a package needs comes before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.resolve.universe import Candidate

    Edges: TypeAlias = Mapping[Candidate, Sequence[Candidate]]


def merge_order(
    packages: Sequence[Candidate], install: Edges, runtime: Edges, post: Edges
) -> list[Candidate]:
    """Return the packages so that each comes after what it needs.

    RDEPEND and IDEPEND hold except within a cycle of them; there IDEPEND holds still, as the
    package needs it while it is being merged. What PDEPEND names follows as soon as its own
    needs are there. Otherwise the order is that of ``packages``, each after its needs.
    """
    hard = {p: (*install.get(p, ()), *runtime.get(p, ())) for p in packages}
    cycles = _components(packages, hard)
    cycle_of = {package: number for number, cycle in enumerate(cycles) for package in cycle}
    # What each cycle needs, directly or not, as the bits of an integer; itself included.
    reach: list[int] = []
    for number, cycle in enumerate(cycles):
        mask = 1 << number
        for other in {cycle_of[child] for package in cycle for child in hard[package]} - {number}:
            mask |= reach[other]
        reach.append(mask)

    ordered: list[Candidate] = []
    done = busy = 0
    waiting: list[int] = []
    for root in packages:
        stack = [cycle_of[root]]
        while stack:
            top = stack[-1]
            busy |= 1 << top
            need = reach[top] & ~done & ~busy
            if not (done >> top) & 1 and need:
                stack.append(_first(cycles[top], hard, cycle_of, need))
                continue
            stack.pop()
            busy &= ~(1 << top)
            if not (done >> top) & 1:
                done |= 1 << top
                inner = _components(cycles[top], install)
                ordered += [package for members in inner for package in members]
                waiting += [cycle_of[p] for member in cycles[top] for p in post.get(member, ())]
            ready = [n for n in waiting if not (done >> n) & 1 and not reach[n] & busy]
            if ready:
                stack.append(ready[0])
    return ordered


def _first(
    cycle: Sequence[Candidate], hard: Edges, cycle_of: Mapping[Candidate, int], need: int
) -> int:
    """Return the first direct need of a cycle that is not there yet."""
    for package in cycle:
        for child in hard[package]:
            if (need >> cycle_of[child]) & 1:
                return cycle_of[child]
    raise AssertionError(cycle)  # what is needed indirectly is needed by a direct need


def _components(packages: Sequence[Candidate], edges: Edges) -> list[list[Candidate]]:
    """Return the cycles among packages, needs first; a package in no cycle is one by itself.

    Tarjan's algorithm with a stack of its own, as chains may be longer than Python recurses.
    Within a cycle each package stands after those of its needs that were reached through it.
    """
    children = {p: [c for c in edges.get(p, ()) if c is not p] for p in packages}
    index: dict[Candidate, int] = {}
    low: dict[Candidate, int] = {}
    finished: dict[Candidate, int] = {}
    open_nodes: dict[Candidate, None] = {}
    found: list[list[Candidate]] = []
    for root in packages:
        walk = [(root, iter((root,)))]  # the first step enters the root itself
        while walk:
            node, rest = walk[-1]
            child = next((c for c in rest if c in children and c not in index), None)
            if child is not None:
                index[child] = low[child] = len(index)
                open_nodes[child] = None
                walk.append((child, iter(children[child])))
                continue
            walk.pop()
            if not walk:
                continue
            low[node] = min([low[node], *(low[c] for c in children[node] if c in open_nodes)])
            finished[node] = len(finished)
            if low[node] == index[node]:
                members: list[Candidate] = []
                while node not in members[-1:]:
                    members.append(open_nodes.popitem()[0])
                found.append(sorted(members, key=finished.__getitem__))
    return found

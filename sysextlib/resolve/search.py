"""The search: one decision after the other, and back to the one that is to blame.

The order is that of emerge: what the user asks for first, then the needs of what was chosen
last, and the ``||`` groups and virtuals only when nothing else is open, because by then more is
chosen that they can lean on. A requirement that cannot be met names the decisions that stand in
its way; the latest of them is taken back and its next alternative tried, and all decisions
after it are forgotten (conflict-directed backjumping). A package that failed through nothing
but itself is never tried again. So the first plan found is returned, and an error means that
there is none, unless MOST_ATTEMPTS ended the search, which the error then says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import AllOf, AnyOf
from sysextlib.resolve.choice import ordered, regroup
from sysextlib.resolve.failure import MOST_SHOWN, Failure, error_of, failures_of
from sysextlib.resolve.state import Block, Clash, Link, Placement, Requirement, State
from sysextlib.resolve.universe import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.gentoo.dependency import Node
    from sysextlib.resolve.choice import Option
    from sysextlib.resolve.universe import Universe

MOST_ATTEMPTS: Final = 100_000
"""Alternatives tried before the search is given up, after some seconds. What is no puzzle needs
about as many as packages are merged."""

# Stacks of what is open. They are never changed, so that going back to one is one reference.
_Needed: TypeAlias = "tuple[Requirement, _Needed] | None"
_Unread: TypeAlias = "tuple[Placement, _Unread] | None"
_Waiting: TypeAlias = "tuple[tuple[Requirement, ...], _Waiting] | None"


@dataclass(slots=True, eq=False)
class _Decision:
    """A requirement with more than one answer, and how to go back to it.

    :param blame: earlier decisions without which an alternative would not have failed.
    """

    requirement: Requirement
    options: Iterator[Candidate | Option]
    mark: tuple[int, int, int]
    open: tuple[_Needed, _Unread, _Waiting]
    blame: set[int] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    tried: Candidate | None = None

    def add(self, failures: Sequence[Failure]) -> None:
        """Keep the failures that matter most, which are those that came first."""
        self.failures += failures[: MOST_SHOWN + 1 - len(self.failures)]


class _DeadlockError(Exception):
    """A requirement that cannot be met while these decisions stand."""

    def __init__(self, blame: set[int], failures: Sequence[Failure]) -> None:
        super().__init__()
        self.blame = blame - {-1}
        self.failures = failures


class Search:
    """One search for packages that satisfy what is asked for."""

    def __init__(self, universe: Universe, most_attempts: int = MOST_ATTEMPTS) -> None:
        self.state = State(universe)
        self.attempts = 0
        self._most_attempts = most_attempts
        self._universe = universe
        self._decisions: list[_Decision] = []
        # What is still open: requirements, packages whose needs are unread, groups that wait.
        self._needed: _Needed = None
        self._unread: _Unread = None
        self._waiting: _Waiting = None

    def run(self, wanted: Sequence[Atom]) -> State:
        """Return the state in which everything is satisfied.

        :raises ResolveError: there is none.
        """
        self._push([Requirement(atom) for atom in wanted])
        while True:
            try:
                if not self._step():
                    return self.state
            except _DeadlockError as deadlock:
                self._go_back(deadlock)

    def _step(self) -> bool:
        """Deal with one thing that is open; return False when nothing is."""
        if self._needed is not None:
            requirement, self._needed = self._needed
            self._meet(requirement)
        elif self._unread is not None:
            placement, self._unread = self._unread
            self._read(placement)
        elif self._waiting is not None:
            group, self._waiting = self._waiting
            self._push(group)
        else:
            return False
        return True

    def _push(self, requirements: Sequence[Requirement]) -> None:
        for requirement in reversed(requirements):
            self._needed = (requirement, self._needed)

    def _read(self, placement: Placement) -> None:
        """Open what a chosen package needs: its atoms now, groups and virtuals later."""
        candidate, via, level = placement
        needed: list[Requirement] = []
        for key, needs in self._universe.needs(candidate).items():
            atoms: list[Node] = []
            later: list[Node] = []
            for node in needs.children:
                (later if _can_wait(node) else atoms).append(node)
            needed += self._minimized([Requirement(a, key, candidate, via, level) for a in atoms])
            if later:
                group = tuple(
                    Requirement(node, key, candidate, via, level, fewest=joined)
                    for node, joined in regroup(later)
                )
                self._waiting = (group, self._waiting)
        self._push(needed)

    def _meet(self, requirement: Requirement) -> None:
        """Meet one requirement, or decide how to.

        :raises _DeadlockError: nothing can meet it as things stand.
        """
        need = requirement.need
        if isinstance(need, Atom):
            if need.blocker:
                self._block(need, requirement)
            else:
                self._meet_atom(need, requirement)
        elif isinstance(need, AnyOf):
            options = ordered(self.state, need, requirement.parent_use, fewest=requirement.fewest)
            self._decide(requirement, iter(options))
        elif isinstance(need, AllOf):
            self._push([replace(requirement, need=child) for child in need.children])

    def _meet_atom(self, atom: Atom, requirement: Requirement) -> None:
        state, use = self.state, requirement.parent_use
        provided = self._universe.provided(atom)
        if requirement.parent is None:
            in_base = self._universe.in_base(atom, use)
            if in_base is not None:
                text = f"{atom} is in the base already: {in_base}"
                raise _DeadlockError(
                    {requirement.level}, [Failure(requirement, text, base=in_base)]
                )
            if provided is not None:
                text = f"{atom} is in package.provided: {provided}"
                failure = Failure(requirement, text, provided=provided)
                raise _DeadlockError({requirement.level}, [failure])
        elif provided is not None:
            return
        picked = requirement.prefer or state.pick(atom, use)
        if picked is not None and state.settled(picked):
            self._link(requirement, picked)
            return
        self._decide(requirement, state.options(requirement, atom))

    def _block(self, atom: Atom, requirement: Requirement) -> None:
        found = self.state.blocked_by(atom, requirement)
        if found is None:
            self.state.block(Block(atom, requirement))
            return
        if isinstance(found, Clash):
            failure = Failure(requirement, found.text, clash=found)
            raise _DeadlockError({requirement.level, found.level}, [failure])
        text = f"{requirement.parent} blocks {found} of the base: {atom}"
        raise _DeadlockError({requirement.level}, [Failure(requirement, text, base=found)])

    def _decide(
        self, requirement: Requirement, options: Iterator[Candidate] | Iterator[Option]
    ) -> None:
        still_open = self._needed, self._unread, self._waiting
        decision = _Decision(requirement, options, self.state.mark, still_open)
        self._decisions.append(decision)
        self._advance(decision)

    def _advance(self, decision: _Decision) -> None:
        """Take the next alternative of the last decision that nothing stands against.

        :raises _DeadlockError: there is none left; the decision is gone then.
        """
        for option in decision.options:
            self._count(decision)
            if self._take(decision, option):
                return
        self._decisions.pop()
        failures = decision.failures or failures_of(self._universe, decision.requirement)
        raise _DeadlockError(decision.blame | {decision.requirement.level}, failures)

    def _take(self, decision: _Decision, option: Candidate | Option) -> bool:
        level = len(self._decisions) - 1
        requirement = decision.requirement
        decision.tried = None
        if not isinstance(option, Candidate):
            self._push([replace(requirement, need=node, level=level) for node in option])
            return True
        if self.state.settled(option):
            self._link(requirement, option)
            return True
        clash = self.state.clash(option)
        if clash is not None:
            decision.blame |= {clash.level} - {-1}
            decision.add([Failure(requirement, clash.text, clash=clash)])
            return False
        decision.tried = option
        placement = Placement(option, requirement, level)
        self.state.place(placement)
        self._link(requirement, option)
        self._unread = (placement, self._unread)
        return True

    def _go_back(self, deadlock: _DeadlockError) -> None:
        """Take back the latest decision that is to blame, and go on with its next alternative.

        :raises ResolveError: no decision is to blame.
        """
        while True:
            if not deadlock.blame:
                raise error_of(self._universe, deadlock.failures)
            level = max(deadlock.blame)
            del self._decisions[level + 1 :]
            decision = self._decisions[level]
            decision.blame |= deadlock.blame - {level}
            decision.add(deadlock.failures)
            if decision.tried is not None and deadlock.blame == {level}:
                decision.tried.rule_out(deadlock.failures)
            self.state.undo(decision.mark)
            self._needed, self._unread, self._waiting = decision.open
            try:
                self._advance(decision)
            except _DeadlockError as deeper:
                deadlock = deeper
            else:
                return

    def _count(self, decision: _Decision) -> None:
        self.attempts += 1
        if self.attempts > self._most_attempts:
            failures = decision.failures or failures_of(self._universe, decision.requirement)
            raise error_of(self._universe, failures, given_up=self._most_attempts)

    def _link(self, requirement: Requirement, child: Candidate) -> None:
        if requirement.parent is not None and not child.installed:
            self.state.links.append(Link(requirement.parent, child, requirement.why))

    def _minimized(self, requirements: list[Requirement]) -> list[Requirement]:
        """Let the atoms of one dependency that name one package share as few slots as they can.

        ``dev-lib/x dev-lib/x:1`` needs x:1 only, and not the newest slot as well.
        """
        by_name: dict[str, list[tuple[Requirement, Atom, Candidate]]] = {}
        for requirement in requirements:
            atom = requirement.need
            if isinstance(atom, Atom) and not atom.blocker:
                picked = self.state.pick(atom, requirement.parent_use)
                if picked is not None:
                    by_name.setdefault(atom.cp, []).append((requirement, atom, picked))
        shared: dict[Requirement, Candidate] = {}
        for group in by_name.values():
            if len({picked for _, _, picked in group}) > 1:
                shared |= self._shared(group)
        return [replace(r, prefer=shared[r]) if r in shared else r for r in requirements]

    def _shared(
        self, group: list[tuple[Requirement, Atom, Candidate]]
    ) -> dict[Requirement, Candidate]:
        """Drop the packages whose atoms others serve, the base's and the oldest first."""
        kept = sorted(
            dict.fromkeys(picked for _, _, picked in group),
            key=lambda c: (not c.installed, c.package.cpv.version, c.package.build_time),
        )
        serves = {
            (requirement, candidate): self._universe.matches(
                atom, candidate, requirement.parent_use
            )
            for requirement, atom, _ in group
            for candidate in kept
        }
        for candidate in tuple(kept):
            rest = [other for other in kept if other is not candidate]
            if all(
                any(serves[requirement, other] for other in rest)
                for requirement, _, _ in group
                if serves[requirement, candidate]
            ):
                kept = rest
        return {
            requirement: [c for c in kept if serves[requirement, c]][-1]
            for requirement, _, _ in group
        }


def _can_wait(node: Node) -> bool:
    if isinstance(node, Atom):
        return node.category == "virtual" and not node.blocker
    return True

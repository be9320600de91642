"""How far an attempt has come: what was chosen so far, and what that rules out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sysextlib.gentoo.atom import Atom
    from sysextlib.gentoo.dependency import Node
    from sysextlib.resolve.universe import Candidate, Universe

ASKED = "asked for"
MOST_REASONS: Final = 24
"""How long a chain of reasons is shown whole; it is what a hostile index can make long."""

MOST_CHARACTERS: Final = 400
"""How much is shown of one dependency; a group can be as long as its text."""

_NO_FLAGS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Requirement:
    """Something that must hold, with the way that led to it.

    :param why: ASKED, "RDEPEND" or "PDEPEND".
    :param parent: the package that needs it, None when the user does.
    :param via: the requirement for which the parent was chosen.
    :param level: the decision that brought it in; -1 when no decision did.
    :param prefer: the package that serves the parent's other atoms of the same name as well.
    :param fewest: of a ``||`` group: what brings the fewest new packages is preferred.
    """

    need: Node
    why: str = ASKED
    parent: Candidate | None = None
    via: Requirement | None = None
    level: int = -1
    prefer: Candidate | None = None
    fewest: bool = False

    @property
    def parent_use(self) -> frozenset[str]:
        """The flags that decide conditional USE dependencies."""
        return self.parent.package.use if self.parent else _NO_FLAGS

    @property
    def reasons(self) -> tuple[str, ...]:
        """Who wants it, from the nearest to the user."""
        return tuple(self._told(lambda step: step._who))

    @property
    def chain(self) -> str:
        """Who wants what, a line each, from the user down to this requirement."""
        told = self._told(lambda step: f"{shortened(str(step.need))} ({step._who})")
        return "\n".join(reversed(told))

    @property
    def _who(self) -> str:
        return f"{self.why} of {self.parent}" if self.parent else ASKED

    def _told(self, tell: Callable[[Requirement], str]) -> list[str]:
        """Tell of this requirement and all that led to it, but of a long way both ends only."""
        steps = []
        step: Requirement | None = self
        while step is not None:
            steps.append(step)
            step = step.via
        if len(steps) <= MOST_REASONS:
            return list(map(tell, steps))
        half = MOST_REASONS // 2
        left_out = f"({len(steps) - 2 * half} more)"
        return [*map(tell, steps[:half]), left_out, *map(tell, steps[-half:])]


class Placement(NamedTuple):
    """A package that was chosen, what for, and the decision that did it."""

    candidate: Candidate
    requirement: Requirement
    level: int


class Block(NamedTuple):
    """A blocker of a chosen package, with the decision that chose it."""

    atom: Atom
    requirement: Requirement


class Clash(NamedTuple):
    """What stands against a package, and the decision to blame."""

    text: str
    other: Requirement
    level: int


class Link(NamedTuple):
    """An edge of the graph: the parent needs the child."""

    parent: Candidate
    child: Candidate
    why: str


@dataclass(slots=True)
class State:
    """The packages chosen so far. Everything is only ever added, and taken back by ``undo``."""

    universe: Universe
    chosen: dict[tuple[str, str], Placement] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    blocks_of: dict[str, list[Block]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    @property
    def mark(self) -> tuple[int, int, int]:
        """A point to which ``undo`` can go back."""
        return len(self.chosen), len(self.blocks), len(self.links)

    def undo(self, mark: tuple[int, int, int]) -> None:
        """Forget everything since a mark."""
        while len(self.chosen) > mark[0]:
            self.chosen.popitem()
        while len(self.blocks) > mark[1]:
            self.blocks_of[self.blocks.pop().atom.cp].pop()
        del self.links[mark[2] :]

    def place(self, placement: Placement) -> None:
        """Choose a package."""
        self.chosen[placement.candidate.slot] = placement

    def block(self, block: Block) -> None:
        """Let nothing be chosen that a blocker speaks of."""
        self.blocks.append(block)
        self.blocks_of.setdefault(block.atom.cp, []).append(block)

    def settled(self, candidate: Candidate) -> bool:
        """Return whether a package is there already: in the base, or chosen."""
        if candidate.installed:
            return True
        placed = self.chosen.get(candidate.slot)
        return placed is not None and placed.candidate is candidate

    def chosen_of(self, cp: str) -> Iterator[Placement]:
        """Yield what was chosen of a name, best first."""
        for candidate in self.universe.candidates(cp):
            placed = self.chosen.get(candidate.slot)
            if placed is not None and placed.candidate is candidate:
                yield placed

    def pick(self, atom: Atom, parent_use: frozenset[str]) -> Candidate | None:
        """Return the package that an atom gets when nothing stands against it.

        That is what was chosen for the slot of the best package, else the base's package, else
        the best package itself: emerge without --update does the same.
        """
        universe = self.universe
        best = next(universe.fitting(atom, parent_use), None)
        if best is not None:
            placed = self.chosen.get(best.slot)
            if placed is not None and universe.matches(atom, placed.candidate, parent_use):
                return placed.candidate
        return universe.in_base(atom, parent_use) or best

    def options(self, requirement: Requirement, atom: Atom) -> Iterator[Candidate]:
        """Yield every package that could serve, in the order in which to try them."""
        use = requirement.parent_use
        first = requirement.prefer
        if first is None or first.refusal:
            first = self.pick(atom, use)
        if first is None:
            return
        yield first
        settled = [
            placed.candidate
            for placed in self.chosen_of(atom.cp)
            if placed.candidate is not first and self.universe.matches(atom, placed.candidate, use)
        ]
        yield from settled
        for candidate in self.universe.fitting(atom, use):
            if candidate is not first and candidate not in settled:
                yield candidate

    def clash(self, candidate: Candidate) -> Clash | None:
        """Return what that was chosen stands against a package, or None."""
        package = candidate.package
        placed = self.chosen.get(candidate.slot)
        if placed is not None and placed.candidate is not candidate:
            text = f"only one of {candidate} and {placed.candidate} fits in slot {package.slot}"
            return Clash(text, placed.requirement, placed.level)
        for placed in self.chosen_of(package.cpv.cp):
            if placed.candidate is not candidate and placed.candidate.package.cpv == package.cpv:
                text = f"{candidate} and {placed.candidate} have one name"
                return Clash(text, placed.requirement, placed.level)
        for atom, requirement in self.blocks_of.get(package.cpv.cp, ()):
            if requirement.parent is candidate:
                continue
            if self.universe.matches(atom, candidate, requirement.parent_use):
                text = f"{requirement.parent} blocks {candidate}: {atom}"
                return Clash(text, requirement, requirement.level)
        return None

    def blocked_by(self, atom: Atom, requirement: Requirement) -> Clash | Candidate | None:
        """Return the chosen package, or that of the base, which a blocker does not allow."""
        in_base = self.universe.in_base(atom, requirement.parent_use)
        if in_base is not None:
            return in_base
        for placed in self.chosen_of(atom.cp):
            if placed.candidate is requirement.parent:
                continue
            if self.universe.matches(atom, placed.candidate, requirement.parent_use):
                text = f"{requirement.parent} blocks {placed.candidate}: {atom}"
                return Clash(text, placed.requirement, placed.level)
        return None


def shortened(text: str) -> str:
    """Return a text of which a hostile index cannot make an endless error."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."

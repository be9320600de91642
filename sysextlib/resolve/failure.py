"""Why no plan came of it: what was refused, put together for the reader of the error."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sysextlib.errors import ResolveError
from sysextlib.gentoo.atom import Atom
from sysextlib.resolve.state import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.gentoo.cpv import Cpv
    from sysextlib.resolve.state import Clash, Requirement
    from sysextlib.resolve.universe import Candidate, Universe

MOST_SHOWN: Final = 8  # refused packages, and other attempts, that an error lists
CLOSE: Final = 0.6  # how alike two names are, from 0 to 1, of which one may be meant for the other
_BASE_HINT = "the base is never changed: "


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A requirement that could not be met, and what stood in the way.

    :param clash: what was chosen before that stands against it.
    :param base: the package of the base that does.
    """

    requirement: Requirement
    text: str
    clash: Clash | None = None
    base: Candidate | None = None
    provided: Cpv | None = None


def failures_of(universe: Universe, requirement: Requirement) -> Sequence[Failure]:
    """Describe a requirement for which no package can be had, whatever else is chosen."""
    need = requirement.need
    if not isinstance(need, Atom):
        return [Failure(requirement, f"nothing satisfies {shortened(str(need))}")]
    fitting = [
        candidate
        for candidate in universe.candidates(need.cp)
        if universe.matches(need, candidate, requirement.parent_use)
    ]
    found = [failure for candidate in fitting for failure in candidate.failures]
    if found:
        return found
    for candidate in fitting:
        universe.refusal(candidate)
        if candidate.base is not None:
            if candidate.base.cpv.cp == need.cp:
                text = f"{candidate} would replace {candidate.base} of the base"
            else:
                text = f"{candidate.base} of the base blocks {candidate}"
            return [Failure(requirement, text)]
    if not universe.candidates(need.cp):
        return [Failure(requirement, f"there is no package {need.cp}")]
    return [Failure(requirement, f"no package can be used for {need}")]


def error_of(universe: Universe, failures: Sequence[Failure], given_up: int = 0) -> ResolveError:
    """Turn the failures of a search into one error, the first being the one that matters most.

    :param given_up: after how many attempts the search was ended; 0 when it came to its end.
    """
    main, *others = failures
    facts: dict[str, object] = {}
    if given_up:
        facts["first obstacle"] = main.text
    facts["wanted by"] = main.requirement.chain
    if main.clash is not None:
        facts["against"] = main.clash.other.chain
    if main.base is not None:
        facts["in the base"] = main.base
    refused = list(_refused(universe, main.requirement))
    if refused:
        facts["refused"] = _listed(refused)
    near = _near(universe, main.requirement)
    if near:
        facts["nearest"] = near
    also = list(dict.fromkeys(f.text for f in others if f.text != main.text))
    if also:
        facts["also tried"] = _listed(also)
    brief = f"no plan was found in {given_up} attempts" if given_up else main.text
    return ResolveError(brief, facts, _hint(universe, main, refused))


def _refused(universe: Universe, requirement: Requirement) -> Iterator[str]:
    """Say for each package of the name why it is not the one."""
    atom = requirement.need
    if not isinstance(atom, Atom) or atom.blocker:
        return
    for candidate in universe.base(atom.cp):
        why = _mismatch(universe, atom, candidate, requirement.parent_use)
        yield f"{candidate} of the base: {why or 'it is there already'}"
    for candidate in universe.candidates(atom.cp):
        why = _mismatch(universe, atom, candidate, requirement.parent_use)
        why = why or universe.refusal(candidate)
        if why:
            yield f"{candidate}: {why}"


def _mismatch(universe: Universe, atom: Atom, candidate: Candidate, use: frozenset[str]) -> str:
    package = candidate.package
    if not atom.version_fits(package.cpv.version):
        return "another version"
    if not atom.matches_version_slot(package):
        if atom.repo and atom.repo != package.repo:
            return f"from repository {package.repo or 'unknown'}"
        return f"its slot is {package.slot}/{package.effective_subslot}"
    if universe.matches(atom, candidate, use):
        return ""
    known = package.iuse | universe.use.implicit(package)
    unknown = [d.flag for d in atom.use if d.flag not in known and not d.default]
    if unknown:
        return f"it has no flag {' '.join(unknown)}"
    flags = ",".join(str(dep) for dep in atom.use)
    return f"built with USE={' '.join(sorted(package.use & package.iuse))!r}, not [{flags}]"


def _near(universe: Universe, requirement: Requirement) -> str:
    atom = requirement.need
    if not isinstance(atom, Atom) or universe.candidates(atom.cp) or universe.base(atom.cp):
        return ""
    names = universe.names
    same = sorted(name for name in names if name.partition("/")[2] == atom.name)
    alike = difflib.SequenceMatcher(b=atom.name)
    close = []
    for name in difflib.get_close_matches(atom.cp, sorted(names), n=9, cutoff=CLOSE):
        alike.set_seq1(name.partition("/")[2])
        if alike.ratio() >= CLOSE:  # more is alike than the category
            close.append(name)
    return ", ".join(dict.fromkeys([*same, *close[:3]][:4]))


def _hint(universe: Universe, main: Failure, refused: Sequence[str]) -> str:
    atom = main.requirement.need
    asked = main.requirement.parent is None
    if main.base is not None or "of the base" in main.text:
        if asked and main.clash is None:
            return _BASE_HINT + "leave the package out, or name a slot that the base has not"
        return _BASE_HINT + "take packages that were built for this base"
    if main.provided is not None:
        return "package.provided says that the system has it; leave the package out"
    if main.clash is not None:
        return "these two cannot go into one extension"
    if not isinstance(atom, Atom):
        return "the flags it was built with leave no alternative: build it with others"
    if not universe.candidates(atom.cp):
        near = _near(universe, main.requirement) if asked else ""
        if near:
            return f"did you mean {' or '.join(near.split(', '))}?"
        return "add the binhost that holds it, or build it"
    if any("not built with USE" in line for line in refused):
        return "build the package with these flags, or do not ask for them"
    return "build a package that fits, or ask for one that is there"


def _listed(lines: Sequence[str]) -> str:
    shown = list(lines[:MOST_SHOWN])
    if len(lines) > MOST_SHOWN:
        shown.append(f"and {len(lines) - MOST_SHOWN} more")
    return "\n".join(shown)

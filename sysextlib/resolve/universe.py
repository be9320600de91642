"""Everything the resolver can look at: the binary packages, the base, and what never changes."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import AllOf, evaluate, leaves, parse_depend
from sysextlib.gentoo.eapi import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sysextlib.gentoo.cpv import Cpv
    from sysextlib.gentoo.dependency import Node
    from sysextlib.gentoo.package import Package
    from sysextlib.resolve.failure import Failure
    from sysextlib.resolve.use_request import UseRequest

_BLOCKER = re.compile(r"(?<!\S)!!?[^\s!?]+(?!\S)")


@dataclass(slots=True, eq=False)
class Candidate:
    """A package that may take part, compared by identity.

    :param installed: it belongs to the base.
    :param needs: its evaluated RDEPEND and PDEPEND, once they were asked for.
    :param refusal: why it can never be merged, "" when it can, None until that was asked.
    :param base: the package of the base that is the reason for the refusal.
    :param failures: why it could not be merged, when the search found that out.
    """

    package: Package
    installed: bool = False
    needs: dict[str, AllOf] | None = None
    refusal: str | None = None
    base: Package | None = None
    failures: Sequence[Failure] = ()

    def rule_out(self, failures: Sequence[Failure]) -> None:
        """Remember that whatever else is chosen, the package cannot be merged."""
        self.refusal = failures[0].text
        self.failures = failures

    @property
    def slot(self) -> tuple[str, str]:
        """What only one package can occupy: CATEGORY/NAME and the slot."""
        return self.package.cpv.cp, self.package.slot

    def __str__(self) -> str:
        return str(self.package)


class Universe:
    """The packages by name, best first, and the verdicts that hold in every attempt.

    The best package is that of the highest version; of one version the latest build, as emerge
    orders them: BUILD_TIME, then BUILD_ID. What is left is settled by USE and dependencies, so
    that the order in which packages are given never matters.
    """

    def __init__(
        self,
        available: Sequence[Package],
        installed: Sequence[Package],
        use: UseRequest,
        provided: Sequence[Cpv],
    ) -> None:
        self.use = use
        self._available = _by_cp(available)
        self._base = {
            cp: tuple(Candidate(p, installed=True) for p in _best_first(packages))
            for cp, packages in _by_cp(installed).items()
        }
        self._provided: dict[str, list[Cpv]] = {}
        for cpv in sorted(provided):
            self._provided.setdefault(cpv.cp, []).append(cpv)
        self._candidates: dict[str, tuple[Candidate, ...]] = {}
        self._base_blockers = _mentioned_blockers(installed)

    @property
    def names(self) -> frozenset[str]:
        """CATEGORY/NAME of every package that could be merged."""
        return frozenset(self._available)

    def candidates(self, cp: str) -> tuple[Candidate, ...]:
        """Return the binary packages of a name, best first."""
        found = self._candidates.get(cp)
        if found is None:
            found = tuple(Candidate(p) for p in _best_first(self._available.get(cp, ())))
            self._candidates[cp] = found
        return found

    def base(self, cp: str) -> tuple[Candidate, ...]:
        """Return the base's packages of a name, highest version first."""
        return self._base.get(cp, ())

    def matches(self, atom: Atom, candidate: Candidate, parent_use: frozenset[str]) -> bool:
        """Return whether a package is one that an atom speaks of."""
        package = candidate.package
        return atom.matches(package, parent_use, implicit=self.use.implicit(package))

    def in_base(self, atom: Atom, parent_use: frozenset[str]) -> Candidate | None:
        """Return the base's package that satisfies an atom."""
        for candidate in self.base(atom.cp):
            if self.matches(atom, candidate, parent_use):
                return candidate
        return None

    def provided(self, atom: Atom) -> Cpv | None:
        """Return the entry of package.provided that satisfies an atom.

        Such an entry has a version and nothing else: as for emerge, slot and USE are not asked.
        """
        for cpv in self._provided.get(atom.cp, ()):
            if atom.version_fits(cpv.version):
                return cpv
        return None

    def fitting(self, atom: Atom, parent_use: frozenset[str]) -> Iterator[Candidate]:
        """Yield the packages that an atom speaks of and that could be merged, best first."""
        for candidate in self.candidates(atom.cp):
            if self.matches(atom, candidate, parent_use) and not self.refusal(candidate):
                yield candidate

    def refusal(self, candidate: Candidate) -> str:
        """Return why a package can never be merged over this base, or ""."""
        if candidate.refusal is None:
            candidate.refusal = self._judge(candidate)
        return candidate.refusal

    def needs(self, candidate: Candidate) -> dict[str, AllOf]:
        """Return RDEPEND and PDEPEND with the package's own flags put in.

        :raises ValueSyntaxError: the package has an EAPI or a dependency that cannot be read.
        """
        if candidate.needs is None:
            package = candidate.package
            candidate.needs = {
                "RDEPEND": read_needs(package, "RDEPEND", package.rdepend),
                "PDEPEND": read_needs(package, "PDEPEND", package.pdepend),
            }
        return candidate.needs

    def _judge(self, candidate: Candidate) -> str:
        package = candidate.package
        try:
            features(package.eapi)
            self.needs(candidate)
            hidden = self.use.hidden(package)
            unmet = self.use.unmet(package)
        except ValueSyntaxError as error:
            return error.brief
        if hidden:
            return hidden
        if unmet:
            return "not built with USE=" + f'"{" ".join(unmet)}"'
        for other in self.base(package.cpv.cp):
            same_name = other.package.cpv == package.cpv
            if other.package.slot == package.slot or same_name:
                candidate.base = other.package
                return f"it would replace {other} of the base"
        for owner, atom in self._blockers_in_base(package.cpv.cp):
            if atom.matches(package, owner.use, implicit=self.use.implicit(package)):
                candidate.base = owner
                return f"{owner} of the base blocks it: {atom}"
        return ""

    def _blockers_in_base(self, cp: str) -> Iterator[tuple[Package, Atom]]:
        for owner in self._base_blockers.get(cp, ()):
            for key, text in (("RDEPEND", owner.rdepend), ("PDEPEND", owner.pdepend)):
                with contextlib.suppress(ValueSyntaxError):
                    for atom in atoms_of(read_needs(owner, key, text)):
                        if atom.blocker and atom.cp == cp:
                            yield owner, atom


def read_needs(package: Package, key: str, text: str) -> AllOf:
    """Return a dependency of a package with the package's flags put in.

    :raises ValueSyntaxError: it is no dependency of the package's EAPI.
    """
    if not text:
        return AllOf(())
    parsed = parse_depend(text, package.eapi, source=f"{key} of {package}")
    return evaluate(parsed, package.use, package.eapi)


def atoms_of(node: Node) -> Iterator[Atom]:
    """Yield every atom below a node, blockers too, in the order they were written."""
    return (leaf for leaf in leaves(node) if isinstance(leaf, Atom))


def _by_cp(packages: Iterable[Package]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in packages:
        found.setdefault(package.cpv.cp, []).append(package)
    return found


def _best_first(packages: Iterable[Package]) -> list[Package]:
    return sorted(
        packages,
        key=lambda p: (
            p.cpv.version,
            p.build_time,
            p.build_id,
            p.cpv.version.text,
            (p.slot, p.subslot, p.repo, p.eapi),
            sorted(p.use),
            (p.rdepend, p.pdepend),
        ),
        reverse=True,
    )


def _mentioned_blockers(installed: Iterable[Package]) -> dict[str, list[Package]]:
    """Return which packages of the base may block which names.

    Reading every dependency of a base would cost more than all the rest, so this looks at
    single words; who has one is read in full when a package of that name is to be merged. What
    the base has and cannot be read blocks nothing.
    """
    found: dict[str, list[Package]] = {}
    for package in installed:
        for word in _BLOCKER.findall(f"{package.rdepend} {package.pdepend}"):
            with contextlib.suppress(ValueSyntaxError):
                owners = found.setdefault(Atom.parse(word, package.eapi).cp, [])
                if package not in owners[-1:]:
                    owners.append(package)
    return found

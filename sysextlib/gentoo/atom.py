"""Atoms: a package name with what is asked of its version, slot, USE flags and repository.

Which packages an atom matches is as PMS 8.3 says, and where it leaves room, as Portage does for
packages that are built already.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sysextlib.gentoo.atom_syntax import read_atom
from sysextlib.gentoo.eapi import features
from sysextlib.gentoo.use import UseDep

if TYPE_CHECKING:
    from sysextlib.gentoo.package import Package
    from sysextlib.gentoo.version import Version


@dataclass(frozen=True, slots=True)
class Atom:
    """What a dependency asks of a package.

    :param blocker: "", "!" or "!!"; no ``match`` method heeds it.
    :param op: "", "=", "~", "<", "<=", ">=" or ">".
    :param glob: an asterisk follows the version (``=cat/name-1.2*``).
    :param slot_op: "", "=" or "*"; "=" after slot and sub-slot is a binding made at build time.
    :param version_part: what a wildcard atom wants somewhere in the version (``=*/*-*9999*``).
    :param known: flags that a package must know beside those of ``use``: what is left of the
        conditional ones that ``evaluated`` found not to matter. Not part of the text.
    """

    category: str
    name: str
    blocker: str = ""
    op: str = ""
    version: Version | None = None
    glob: bool = False
    slot: str = ""
    subslot: str = ""
    slot_op: str = ""
    use: tuple[UseDep, ...] = ()
    repo: str = ""
    version_part: str = ""
    known: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls, text: str, eapi: str = "8", *, wildcards: bool = False, repos: bool = False
    ) -> Atom:
        """Read an atom.

        :param wildcards: accept ``*/*`` and its like, and repositories, as configuration does.
        :param repos: accept ``::repo``, which no EAPI has.
        :raises ValueSyntaxError: it breaks a rule of the syntax, which the error names.
        """
        return _parse(text, eapi, wildcards, repos)

    @property
    def cp(self) -> str:
        """CATEGORY/NAME."""
        return f"{self.category}/{self.name}"

    @property
    def is_wildcard(self) -> bool:
        """Whether asterisks stand for parts of the name or version."""
        return "*" in self.category or "*" in self.name or bool(self.version_part)

    @property
    def without_use(self) -> Atom:
        """The atom with no USE dependency."""
        return replace(self, use=(), known=()) if self.use or self.known else self

    def evaluated(self, parent_use: frozenset[str]) -> Atom:
        """Return the atom with its conditional USE dependencies decided by the parent's flags."""
        if not any(dep.is_conditional for dep in self.use):
            return self
        use = []
        known = list(self.known)
        for dep in self.use:
            wanted = dep.wanted(parent_use)
            if wanted is not None:
                use.append(UseDep(dep.flag, "" if wanted else "-", dep.default))
            elif not dep.default:
                known.append(dep.flag)
        return replace(self, use=tuple(use), known=tuple(known))

    def matches(
        self,
        package: Package,
        parent_use: frozenset[str] = frozenset(),
        *,
        implicit: frozenset[str] = frozenset(),
    ) -> bool:
        """Return whether the atom speaks of this package.

        :param parent_use: the flags of the package whose dependency the atom is.
        :param implicit: flags that every package knows by its profile (IUSE_EFFECTIVE).
        """
        return self.matches_version_slot(package) and self.use_fits(
            package, parent_use, implicit=implicit
        )

    def matches_version_slot(self, package: Package) -> bool:
        """Return whether all but the USE dependencies match."""
        return (
            self._name_fits(package)
            and (not self.slot or self.slot == package.slot)
            and (not self.subslot or self.subslot == package.effective_subslot)
            and (not self.repo or self.repo == package.repo)
        )

    def version_fits(self, version: Version) -> bool:
        """Return whether a version is among those asked for."""
        wanted = self.version
        if wanted is None:
            return self.version_part in version.text
        if self.glob:
            return _continues(version.text, wanted.text)
        match self.op:
            case "=":
                return version == wanted
            case "~":
                # As text: Portage does not take 1.00 for 1.0 here, though they are equal.
                return version.without_revision.text == wanted.without_revision.text
            case "<":
                return version < wanted
            case "<=":
                return version <= wanted
            case ">":
                return version > wanted
            case _:
                return version >= wanted

    def use_fits(
        self,
        package: Package,
        parent_use: frozenset[str] = frozenset(),
        *,
        implicit: frozenset[str] = frozenset(),
    ) -> bool:
        """Return whether the flags that the package was built with satisfy the USE dependencies.

        A flag that the package does not know counts as its default says; without a default
        nothing fits, not even a conditional that the parent's flags turn off.
        """
        if not all(_knows(package, flag, implicit) for flag in self.known):
            return False
        for dep in self.use:
            known = _knows(package, dep.flag, implicit)
            if not known and not dep.default:
                return False
            has = dep.flag in package.use if known else dep.default == "+"
            wanted = dep.wanted(parent_use)
            if wanted is not None and wanted != has:
                return False
        return True

    def _name_fits(self, package: Package) -> bool:
        cpv = package.cpv
        if self.is_wildcard:
            named = _glob_fits(self.category, cpv.category) and _glob_fits(self.name, cpv.name)
        else:
            named = self.name == cpv.name and self.category == cpv.category
        return named and self.version_fits(cpv.version)

    def __str__(self) -> str:
        parts = [self.blocker, self.op, self.category, "/", self.name]
        if self.version is not None:
            parts += ["-", self.version.text, "*" if self.glob else ""]
        elif self.version_part:
            parts += ["-*", self.version_part, "*"]
        if self.slot or self.slot_op:
            parts += [":", self.slot, "/" if self.subslot else "", self.subslot, self.slot_op]
        if self.repo:
            parts += ["::", self.repo]
        if self.use:
            parts += ["[", ",".join(map(str, self.use)), "]"]
        return "".join(parts)


@functools.lru_cache(maxsize=16384)
def _parse(text: str, eapi: str, wildcards: bool, repos: bool) -> Atom:
    return Atom(**read_atom(text, eapi, wildcards=wildcards, repos=repos))


def _knows(package: Package, flag: str, implicit: frozenset[str]) -> bool:
    """Return whether a flag means something to a built package.

    From EAPI 5 on whatever it was built with does, since the profile that made a flag implicit
    then may have changed; before, USE held flags that had nothing to do with the package.
    """
    if flag in package.iuse or flag in implicit:
        return True
    if not features(package.eapi).iuse_effective:
        return False
    return flag in package.use or flag in package.value("IUSE_EFFECTIVE").split()


def _continues(version: str, prefix: str) -> bool:
    """Return whether ``=*`` with ``prefix`` takes in ``version``.

    The text must end there, or go on with another component: 1.2* takes in 1.2.3, 1.2b and
    1.2-r1, but not 1.20. Zeros at the beginning of either do not count.
    """
    version, prefix = _without_zeros(version), _without_zeros(prefix)
    if not version.startswith(prefix):
        return False
    after = version[len(prefix) : len(prefix) + 1]
    return not after or after in "._-" or prefix[-1].isdigit() != after.isdigit()


def _without_zeros(version: str) -> str:
    stripped = version.lstrip("0")
    return stripped if stripped[:1].isdigit() else "0" + stripped


def _glob_fits(pattern: str, text: str) -> bool:
    """Return whether the parts between the asterisks occur in ``text`` in this order."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last):
        return False
    at = len(first)
    end = len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(last)

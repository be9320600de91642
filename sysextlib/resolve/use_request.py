"""The USE flags that a binary package must have been built with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.use import is_flag, parse_iuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sysextlib.gentoo.atom import Atom
    from sysextlib.gentoo.package import Package


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRule:
    """Flags that are wanted on and off, for the packages of an atom or for every package."""

    on: frozenset[str]
    off: frozenset[str]
    atom: Atom | None = None

    @classmethod
    def parse(cls, flags: Iterable[str], atom: Atom | None = None) -> UseRule:
        """Read flags as USE and package.use spell them; of one named twice the last counts.

        :raises ValueSyntaxError: a word is no flag.
        """
        on: dict[str, bool] = {}
        for word in flags:
            flag = word.removeprefix("-")
            if not is_flag(flag):
                raise ValueSyntaxError(f"{word!r} is no USE flag", hint="write flag or -flag")
            on[flag] = flag == word
        wanted = frozenset(flag for flag, value in on.items() if value)
        return cls(on=wanted, off=frozenset(on) - wanted, atom=atom)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags as USE spells them, sorted, those that are off last."""
        return (*sorted(self.on), *(f"-{flag}" for flag in sorted(self.off)))


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRequest:
    """What ``emerge --binpkg-respect-use=y`` compares a binary package's flags with.

    emerge evaluates a whole profile, so for it every flag of a package's IUSE is decided. Here
    a flag that no rule names is free, and the newest package is taken whichever way it was
    built, unless ``complete`` says that the rules are a profile's whole outcome.

    :param rules: later ones win, whether they speak of one package or of all.
    :param complete: a flag that no rule names must be as the package's IUSE has it by default.
    :param implicit: flags that every package knows without naming them in IUSE: those of
        IUSE_IMPLICIT and USE_EXPAND_IMPLICIT. They count in USE dependencies only.
    """

    rules: tuple[UseRule, ...] = ()
    complete: bool = False
    implicit: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        everywhere: Iterable[str] = (),
        packages: Iterable[tuple[Atom, Iterable[str]]] = (),
        environment: Iterable[str] = (),
        *,
        complete: bool = False,
        implicit: Iterable[str] = (),
    ) -> UseRequest:
        """Put rules in the order in which emerge lets them win: profile, package.use, USE=.

        :raises ValueSyntaxError: a word is no flag.
        """
        rules = (
            UseRule.parse(everywhere),
            *(UseRule.parse(flags, atom) for atom, flags in packages),
            UseRule.parse(environment),
        )
        return cls(rules=rules, complete=complete, implicit=frozenset(implicit))

    def unmet(self, package: Package) -> tuple[str, ...]:
        """Return the flags that the package was built without, in the order of their names.

        A flag that it should not have been built with stands with a "-". Flags that its IUSE
        does not list do not count.
        """
        wanted: dict[str, bool] = {}
        if self.complete:
            by_default = parse_iuse(package.value("IUSE"), package.eapi)[1]
            wanted = {flag: flag in by_default for flag in package.iuse}
        for rule in self.rules:
            if rule.atom is None or rule.atom.matches_version_slot(package):
                wanted |= dict.fromkeys(rule.on, True) | dict.fromkeys(rule.off, False)
        return tuple(
            flag if on else f"-{flag}"
            for flag, on in sorted(wanted.items())
            if flag in package.iuse and on != (flag in package.use)
        )

"""The USE flags that a binary package must have been built with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.use import is_flag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sysextlib.ebuild.profile import Profile
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
    built, unless there is a profile: then it decides as for emerge, and masks and KEYWORDS count.

    :param rules: later ones win, whether they speak of one package or of all; beside a profile
        they are package.use and USE=, in emerge's order.
    """

    rules: tuple[UseRule, ...] = ()
    profile: Profile | None = None

    def implicit(self, package: Package) -> frozenset[str]:
        """Return the flags that a package knows without naming them in IUSE.

        Which of them are off only a profile tells.
        """
        return self.profile.implicit_iuse() if self.profile else package.use - package.iuse

    def hidden(self, package: Package) -> str:
        """Return why the profile keeps a package out, or ""."""
        if self.profile is None:
            return ""
        mask = self.profile.mask_of(package)
        if mask is not None:
            return f"the profile masks {mask}"
        if not self.profile.accepts(package):
            return f"the profile accepts none of KEYWORDS={package.value('KEYWORDS')!r}"
        return ""

    def unmet(self, package: Package) -> tuple[str, ...]:
        """Return the flags that the package was built without, in the order of their names.

        A flag that it should not have been built with stands with a "-". Flags that its IUSE
        does not list do not count.
        """
        wanted = self._wanted(package)
        return tuple(
            flag if on else f"-{flag}"
            for flag, on in sorted(wanted.items())
            if flag in package.iuse and on != (flag in package.use)
        )

    def _wanted(self, package: Package) -> dict[str, bool]:
        if self.profile is not None:
            on = self.profile.use(
                package,
                user_package=tuple((rule.atom, rule.flags) for rule in self.rules if rule.atom),
                environment=[flag for rule in self.rules if not rule.atom for flag in rule.flags],
            )
            return {flag: flag in on for flag in package.iuse}
        wanted: dict[str, bool] = {}
        for rule in self.rules:
            if rule.atom is None or rule.atom.matches_version_slot(package):
                wanted |= dict.fromkeys(rule.on, True) | dict.fromkeys(rule.off, False)
        return wanted

"""Resolver scenarios: a TOML file each, turned into values for us and into a root for emerge.

    about = "One sentence that the expectation proves."
    [want]      packages
    [base]      installed (plain names), provided (package.provided)
    [base.packages."cat/name-1"]        installed packages that need keys
    [binhost."cat/name-1"]              keys as in a Packages index; [[binhost."..."]] for several
                                        builds, whose BUILD_ID counts from 1
    [use]       everywhere, environment; profile = true: it decides, as for emerge;
                packages = {"atom" = ["flag", "-flag"]}
    [expect]    merge (in order) or error (texts that it must hold)
    [portage]   differs (why), and what emerge does instead: merge or fails = true. Or else order:
                the same packages in another order that is right as well

A package is named by its cpv, and by cpv-BUILD_ID where the binhost has several builds of it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sysextlib.ebuild.profile import Level, Profile
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.package import Package
from sysextlib.gentoo.use import parse_iuse
from sysextlib.resolve.resolver import resolve
from sysextlib.resolve.use_request import UseRequest, UseRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sysextlib.resolve.plan import MergePlan

# as tests.builders.emerge has them
IMPLICIT = frozenset(("amd64", "elibc_glibc", "kernel_linux", "prefix"))
FIRST_BUILD = 1700000000
_KEYS = {
    "": {"about", "want", "base", "binhost", "use", "expect", "portage"},
    "want": {"packages"},
    "base": {"installed", "provided", "packages"},
    "use": {"everywhere", "environment", "profile", "packages"},
    "expect": {"merge", "error"},
    "portage": {"differs", "merge", "fails", "order"},
}
_PACKAGE_KEYS = frozenset(
    [
        "BDEPEND",
        "BUILD_ID",
        "BUILD_TIME",
        "DEPEND",
        "EAPI",
        "IDEPEND",
        "IUSE",
        "KEYWORDS",
        "PDEPEND",
        "RDEPEND",
        "SLOT",
        "USE",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario as its file states it.

    :param merge: what we merge, in order; None when it must be refused.
    :param error: texts that the refusal must hold.
    :param portage_merge: what emerge merges, in its order; None when it must fail.
    :param differs: why emerge does something else.
    """

    name: str
    about: str
    wanted: tuple[str, ...]
    available: tuple[Package, ...]
    installed: tuple[Package, ...]
    provided: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    package_use: tuple[tuple[str, tuple[str, ...]], ...] = ()
    profile: bool = False
    merge: tuple[str, ...] | None = None
    error: tuple[str, ...] = ()
    portage_merge: tuple[str, ...] | None = None
    differs: str = ""

    def use_request(self) -> UseRequest:
        """Put the rules in emerge's order: make.conf or the profile, package.use, USE=."""
        rules = (
            *(
                UseRule.parse(flags, Atom.parse(atom, wildcards=True))
                for atom, flags in self.package_use
            ),
            UseRule.parse(self.environment),
        )
        if not self.profile:
            return UseRequest(rules=(UseRule.parse(self.everywhere), *rules))
        return UseRequest(rules=rules, profile=profile_of(self.everywhere))

    def resolve(self) -> MergePlan:
        """Run our resolver on it."""
        return resolve(
            [Atom.parse(text) for text in self.wanted],
            self.available,
            self.installed,
            use=self.use_request(),
            provided=[Cpv.parse(text) for text in self.provided],
        )

    def title(self, package: Package) -> str:
        """Name a package as expectations do."""
        builds = sum(other.cpv == package.cpv for other in self.available)
        return str(package) if builds > 1 else str(package.cpv)


def profile_of(flags: tuple[str, ...]) -> Profile:
    """Return the profile that emerge has in scenarios, with flags of USE."""
    implicit = " ".join(sorted(IMPLICIT))
    variables = {"ARCH": "amd64", "ACCEPT_KEYWORDS": "amd64", "IUSE_IMPLICIT": implicit}
    on = ("elibc_glibc", "kernel_linux", *flags)
    return Profile(levels=(Level(use=on),), variables=variables)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; a key that is not known is an error."""
    data: dict[str, Any] = tomllib.loads(path.read_text())
    for table, known in _KEYS.items():
        keys = set(data.get(table, {}) if table else data)
        assert keys <= known, f"{path}: unknown {sorted(keys - known)} in [{table}]"
    base, use, expect = data.get("base", {}), data.get("use", {}), data["expect"]
    portage = data.get("portage", {})
    assert ("merge" in expect) != ("error" in expect), f"{path}: expect merge or error"
    assert bool(portage.get("differs")) == bool({"merge", "fails"} & set(portage)), path
    merge = tuple(expect["merge"]) if "merge" in expect else None
    portage_merge = tuple(portage["merge"]) if "merge" in portage else merge
    if portage.get("fails"):
        portage_merge = None
    assert not portage.get("differs") or portage_merge != merge, f"{path}: no difference"
    if "order" in portage:
        assert merge is not None
        assert sorted(portage["order"]) == sorted(merge), f"{path}: not the same packages"
        portage_merge = tuple(portage["order"])
    return Scenario(
        name=path.stem,
        about=data["about"],
        wanted=tuple(data["want"]["packages"]),
        available=tuple(_packages(data.get("binhost", {}), path)),
        installed=(
            *(make_package(cpv, {}, build_id=0) for cpv in base.get("installed", ())),
            *(make_package(cpv, k, build_id=0) for cpv, k in base.get("packages", {}).items()),
        ),
        provided=tuple(base.get("provided", ())),
        everywhere=tuple(use.get("everywhere", ())),
        environment=tuple(use.get("environment", ())),
        package_use=tuple((atom, tuple(f)) for atom, f in use.get("packages", {}).items()),
        profile=use.get("profile", False),
        merge=merge,
        error=tuple(expect.get("error", ())),
        portage_merge=portage_merge,
        differs=portage.get("differs", ""),
    )


def _packages(binhost: Mapping[str, Any], path: Path) -> Iterable[Package]:
    for cpv, found in binhost.items():
        builds = found if isinstance(found, list) else [found]
        for number, keys in enumerate(builds, 1):
            assert keys.keys() <= _PACKAGE_KEYS, f"{path}: unknown key of {cpv}"
            yield make_package(cpv, keys, build_id=number)


def make_package(cpv: str, keys: Mapping[str, Any], *, build_id: int = 1) -> Package:
    """Make a package of the keys of a Packages index, with those missing that are usual."""
    slot, _, subslot = keys.get("SLOT", "0").partition("/")
    build_id = keys.get("BUILD_ID", build_id)
    iuse = keys.get("IUSE", "")
    return Package(
        cpv=Cpv.parse(cpv),
        slot=slot,
        subslot=subslot,
        repo="test",
        eapi=keys.get("EAPI", "8"),
        iuse=parse_iuse(iuse)[0],
        iuse_default=parse_iuse(iuse)[1],
        use=frozenset(keys.get("USE", "").split()),
        rdepend=keys.get("RDEPEND", ""),
        pdepend=keys.get("PDEPEND", ""),
        idepend=keys.get("IDEPEND", ""),
        build_id=build_id,
        build_time=keys.get("BUILD_TIME", FIRST_BUILD + build_id),
        values=(
            ("IUSE", iuse),
            ("KEYWORDS", keys.get("KEYWORDS", "amd64")),
            ("DEPEND", keys.get("DEPEND", "")),
            ("BDEPEND", keys.get("BDEPEND", "")),
        ),
    )


def index_keys(package: Package) -> dict[str, str]:
    """Return a package's metadata as a Packages index and the VDB spell it."""
    slot = package.slot if not package.subslot else f"{package.slot}/{package.subslot}"
    keys = {
        "EAPI": package.eapi,
        "SLOT": slot,
        "USE": " ".join(sorted(package.use)),
        "RDEPEND": package.rdepend,
        "PDEPEND": package.pdepend,
        "IDEPEND": package.idepend,
        "BUILD_TIME": str(package.build_time),
        "repository": package.repo,
        "DEFINED_PHASES": "-",
        **dict(package.values),
    }
    return {key: value for key, value in keys.items() if value}

"""Profiles: which flags are on, which versions may be used, what is taken as installed.

portage(5) and PMS chapter 5 describe the files. A profile is a stack of folders, the most basic
first; what a later folder says wins over an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.make_defaults import read_make_defaults
from sysextlib.ebuild.profile_lists import flag_lines, list_atoms, list_lines, prefixed
from sysextlib.ebuild.repository import read_lines
from sysextlib.ebuild.specificity import FlagLines, matching_flags
from sysextlib.errors import EbuildError, SysextError, nearest
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.eapi import EAPIS
from sysextlib.gentoo.package import Package
from sysextlib.gentoo.use import parse_iuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sysextlib.ebuild.metadata import Metadata
    from sysextlib.ebuild.repository import Repository
    from sysextlib.gentoo.atom import Atom

DEEPEST: Final = 60  # parents of parents; the deepest profile known has 12
MOST: Final = 1000  # folders, each as often as it is a parent; the largest profile known has 40

INCREMENTAL: Final = frozenset({
    "USE", "USE_EXPAND", "USE_EXPAND_HIDDEN", "USE_EXPAND_IMPLICIT", "USE_EXPAND_UNPREFIXED",
    "IUSE_IMPLICIT", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "CONFIG_PROTECT", "CONFIG_PROTECT_MASK",
    "PROFILE_ONLY_VARIABLES", "ENV_UNSET", "FEATURES", "INSTALL_MASK",
})  # fmt: skip
"""Variables whose values add up from folder to folder, ``-x`` taking away and ``-*`` all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one folder of a profile says.

    :param use: flags of USE and of the USE_EXPAND variables, in order, ``-x`` for off.
    """

    use: tuple[str, ...] = ()
    use_mask: tuple[str, ...] = ()
    use_force: tuple[str, ...] = ()
    use_stable_mask: tuple[str, ...] = ()
    use_stable_force: tuple[str, ...] = ()
    package_use: FlagLines = ()
    package_use_mask: FlagLines = ()
    package_use_force: FlagLines = ()
    package_use_stable_mask: FlagLines = ()
    package_use_stable_force: FlagLines = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile with all its parents.

    :param variables: of make.defaults, incremental ones added up.
    :param masked: atoms of package.mask that no later folder took back.
    :param unmasked: those of package.unmask, likewise.
    :param provided: packages that count as installed.
    :param accepted: lines of package.accept_keywords, by folder: what is accepted of a package.
    :param keywords: lines of package.keywords, likewise: what its KEYWORDS are instead.
    """

    levels: tuple[Level, ...]
    variables: Mapping[str, str]
    masked: tuple[Atom, ...] = ()
    unmasked: tuple[Atom, ...] = ()
    provided: tuple[Cpv, ...] = ()
    accepted: tuple[FlagLines, ...] = ()
    keywords: tuple[FlagLines, ...] = ()

    @property
    def arch(self) -> str:
        """The keyword of the profile's machine, "" when it names none."""
        return self.variables.get("ARCH", "")

    def implicit_iuse(self) -> frozenset[str]:
        """Return the flags that every ebuild knows from EAPI 5 on (PMS 11.1.1)."""
        flags = set(self.variables.get("IUSE_IMPLICIT", "").split())
        unprefixed = self.variables.get("USE_EXPAND_UNPREFIXED", "").split()
        for name in self.variables.get("USE_EXPAND_IMPLICIT", "").split():
            prefix = "" if name in unprefixed else name.lower() + "_"
            values = self.variables.get(f"USE_EXPAND_VALUES_{name}", "").split()
            flags.update(prefix + value for value in values)
        return frozenset(flags)

    def iuse_effective(self, package: Package) -> frozenset[str]:
        """Return the flags that an ebuild may ask for."""
        if int(package.eapi or "0") < 5:
            return package.iuse | {self.arch} if self.arch else package.iuse
        return package.iuse | self.implicit_iuse()

    def use(
        self,
        package: Package,
        *,
        user: Sequence[str] = (),
        user_package: FlagLines = (),
        environment: Sequence[str] = (),
    ) -> frozenset[str]:
        """Return the flags that are on for an ebuild, of those that it may ask for.

        The ebuild's own defaults come first, then the profile's folders, then the user's, and then
        what is forced and masked.

        :param package: with its KEYWORDS among ``values``.
        :param user: flags of make.conf.
        :param user_package: lines of the user's package.use.
        :param environment: flags of USE in emerge's environment.
        """
        effective = self.iuse_effective(package)
        on = set(package.iuse_default)
        for level in self.levels:
            _apply(on, level.use)
            _apply(on, matching_flags(level.package_use, package))
        _apply(on, user)
        _apply(on, matching_flags(user_package, package))
        _apply(on, environment)
        on.add(self.arch)  # whatever USE says
        forced, masked = self._fixed(package)
        return ((frozenset(on) | forced) - masked) & effective

    def _fixed(self, package: Package) -> tuple[frozenset[str], frozenset[str]]:
        stable = self.is_stable(package)
        force: set[str] = set()
        mask: set[str] = set()
        for level in self.levels:
            _apply(force, level.use_force)
            _apply(mask, level.use_mask)
            if stable:
                _apply(force, level.use_stable_force)
                _apply(mask, level.use_stable_mask)
            _apply(force, matching_flags(level.package_use_force, package))
            _apply(mask, matching_flags(level.package_use_mask, package))
            if stable:
                _apply(force, matching_flags(level.package_use_stable_force, package))
                _apply(mask, matching_flags(level.package_use_stable_mask, package))
        return frozenset(force), frozenset(mask)

    def is_stable(self, package: Package) -> bool:
        """Tell whether the stable masks count: it is accepted, but not if all were testing."""
        keywords = self._keywords_of(package)
        accepted = self._accepted_for(package)
        testing = {word if word.startswith("~") else f"~{word}" for word in keywords}
        return _accepts(accepted, keywords) and not _accepts(accepted, testing)

    def accepts(self, package: Package) -> bool:
        """Tell whether an ebuild's KEYWORDS are among those accepted."""
        return _accepts(self._accepted_for(package), self._keywords_of(package))

    def _keywords_of(self, package: Package) -> set[str]:
        keywords: set[str] = set()
        _apply(keywords, (word for word in package.value("KEYWORDS").split() if word != "-*"))
        for lines in self.keywords:
            _apply(keywords, matching_flags(lines, package))
        return keywords

    def _accepted_for(self, package: Package) -> set[str]:
        everywhere = self.variables.get("ACCEPT_KEYWORDS", "").split()
        default = [f"~{word}" for word in everywhere if not word.startswith("~")]
        accepted = set(everywhere)
        for lines in self.accepted:
            filled = tuple((atom, words or tuple(default)) for atom, words in lines)
            _apply(accepted, matching_flags(filled, package))
        return accepted

    def mask_of(self, package: Package) -> Atom | None:
        """Return the atom of package.mask that masks an ebuild, or None; unmasking wins."""
        if any(atom.matches_version_slot(package) for atom in self.unmasked):
            return None
        return next((atom for atom in self.masked if atom.matches_version_slot(package)), None)


def _accepts(accepted: set[str], keywords: set[str]) -> bool:
    """Tell whether one of KEYWORDS is accepted, as Portage's KeywordsManager does."""
    stable = any(word[0] not in "~-" for word in keywords)
    testing = any(word[0] == "~" for word in keywords)
    return (
        bool(accepted & keywords)
        or "**" in accepted
        or "*" in keywords
        or ("~*" in keywords and any(word[0] == "~" for word in accepted))
        or (stable and "*" in accepted)
        or (testing and "~*" in accepted)
    )


def package_of(cpv: Cpv, metadata: Metadata, repository: str = "") -> Package:
    """Return an ebuild as atoms and profiles look at it."""
    slot, _, subslot = metadata.value("SLOT").partition("/")
    eapi = metadata.value("EAPI") or "0"
    iuse, by_default = parse_iuse(metadata.value("IUSE"), eapi)
    return Package(
        cpv=cpv,
        slot=slot or "0",
        subslot=subslot,
        repo=repository,
        eapi=eapi,
        iuse=iuse,
        iuse_default=by_default,
        values=(("KEYWORDS", metadata.value("KEYWORDS")),),
    )


def load_profile(folder: Path, repositories: Mapping[str, Repository]) -> Profile:
    """Return the profile of a folder, such as what make.profile points at.

    :param repositories: by name, for parents such as ``gentoo:default/linux``; their own
        profiles/package.mask counts for the repositories that the profile lies in.
    :raises EbuildError: a file is wrong, a parent is missing, or parents go in a circle.
    """
    levels: list[Level] = []
    variables: dict[str, str] = {}
    masked: dict[Atom, None] = {}
    unmasked: dict[Atom, None] = {}
    provided: dict[Cpv, None] = {}
    accepted: list[FlagLines] = []
    keywords: list[FlagLines] = []
    folders = list(islice(_stack(folder, repositories, ()), MOST + 1))
    if len(folders) > MOST:
        raise EbuildError(f"profile {folder} has more than {MOST} parents")
    roots = {path for path in map(_profiles_root, folders) if path}
    for root in [repository.path / "profiles" for repository in repositories.values()]:
        if root in roots or not roots:
            for line, atom in list_atoms(root / "package.mask"):
                masked[atom] = None
                del line
    for path in folders:
        said = read_make_defaults(path / "make.defaults", variables)
        _merge(variables, said)
        levels.append(_level(path, said, variables))
        for line, atom in list_atoms(path / "package.mask"):
            if line.startswith("-"):
                masked.pop(atom, None)
            else:
                masked[atom] = None
        for line in list_lines(path / "package.provided") if _has_provided(path) else ():
            _provide(provided, line, path / "package.provided")
        accepted.append(flag_lines(path / "package.accept_keywords"))
        keywords.append(flag_lines(path / "package.keywords"))
        for line, atom in list_atoms(path / "package.unmask"):
            if line.startswith("-"):
                unmasked.pop(atom, None)
            else:
                unmasked[atom] = None
    return Profile(
        levels=tuple(levels),
        variables=variables,
        masked=tuple(masked),
        unmasked=tuple(unmasked),
        provided=tuple(provided),
        accepted=tuple(accepted),
        keywords=tuple(keywords),
    )


def _has_provided(folder: Path) -> bool:
    """Tell whether package.provided counts in a folder: up to EAPI 6 (PMS 5.2.9)."""
    eapi = "".join(read_lines(folder / "eapi")) or "0"
    return eapi in EAPIS and int(eapi) < 7


def _provide(provided: dict[Cpv, None], line: str, source: Path) -> None:
    try:
        cpv = Cpv.parse(line.lstrip("-"))
    except SysextError as error:
        raise EbuildError(error.brief, {"file": source, **error.facts}, error.hint) from error
    if line.startswith("-"):
        provided.pop(cpv, None)
    else:
        provided[cpv] = None


def _stack(
    folder: Path, repositories: Mapping[str, Repository], seen: tuple[Path, ...]
) -> Iterator[Path]:
    """Yield the folders of a profile, parents before children."""
    facts = {"named by": seen[-1] / "parent"} if seen else {}
    try:
        here = folder.resolve()
        found = here.is_dir()
    except (OSError, RuntimeError) as error:  # such as a link to itself
        raise EbuildError(f"profile {str(folder)[:200]} cannot be read", facts) from error
    if not found:
        raise EbuildError(f"profile {folder} is missing", facts)
    if here in seen or len(seen) > DEEPEST:
        raise EbuildError(
            f"profile {here} is its own parent", {"chain": " -> ".join(map(str, (*seen, here)))}
        )
    for line in read_lines(here / "parent"):
        name, colon, rest = line.partition(":")
        if not colon:
            yield from _stack(here / line, repositories, (*seen, here))
            continue
        repository = _repository_of(here, repositories) if not name else repositories.get(name)
        if repository is None:
            raise EbuildError(
                f"profile {here} has a parent in {name!r}, which is no known repository",
                {"file": here / "parent"},
                nearest(name, repositories),
            )
        yield from _stack(repository.path / "profiles" / rest, repositories, (*seen, here))
    yield here


def _repository_of(folder: Path, repositories: Mapping[str, Repository]) -> Repository | None:
    root = _profiles_root(folder)
    found = (one for one in repositories.values() if one.path.resolve() / "profiles" == root)
    return next(found, None)


def _profiles_root(folder: Path) -> Path | None:
    """Return the profiles folder of the repository that a profile lies in, if it does."""
    return next((path for path in folder.parents if path.name == "profiles"), None)


def _level(folder: Path, variables: Mapping[str, str], merged: Mapping[str, str]) -> Level:
    """Return what a folder says.

    :param variables: of its make.defaults. :param merged: the same added to what came before.
    """
    use = variables.get("USE", "").split()
    unprefixed = merged.get("USE_EXPAND_UNPREFIXED", "").split()
    for name in merged.get("USE_EXPAND", "").split():
        prefix = name.lower() + "_"
        for value in variables.get(name, "").split():
            use.append(prefixed(prefix, value))
    for name in unprefixed:
        use += variables.get(name, "").split()
    return Level(
        use=tuple(use),
        use_mask=tuple(list_lines(folder / "use.mask")),
        use_force=tuple(list_lines(folder / "use.force")),
        use_stable_mask=tuple(list_lines(folder / "use.stable.mask")),
        use_stable_force=tuple(list_lines(folder / "use.stable.force")),
        package_use=flag_lines(folder / "package.use"),
        package_use_mask=flag_lines(folder / "package.use.mask"),
        package_use_force=flag_lines(folder / "package.use.force"),
        package_use_stable_mask=flag_lines(folder / "package.use.stable.mask"),
        package_use_stable_force=flag_lines(folder / "package.use.stable.force"),
    )


def _merge(variables: dict[str, str], new: Mapping[str, str]) -> None:
    for name, value in new.items():
        if name in INCREMENTAL:
            words = dict.fromkeys(variables.get(name, "").split())
            for word in value.split():
                if word == "-*":
                    words.clear()
                elif word.startswith("-"):
                    words.pop(word[1:], None)
                else:
                    words[word] = None
            variables[name] = " ".join(words)
        else:
            variables[name] = value


def _apply(flags: set[str], changes: Iterable[str]) -> None:
    """Turn flags on and off; ``-*`` turns all off, ``-x_*`` those of a prefix."""
    for change in changes:
        if not change.startswith("-"):
            flags.add(change)
        elif change == "-*":
            flags.clear()
        elif change.endswith("_*"):
            flags.difference_update([flag for flag in flags if flag.startswith(change[1:-1])])
        else:
            flags.discard(change[1:])

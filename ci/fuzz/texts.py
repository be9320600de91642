"""Damages what is read besides ebuilds: dependency strings, atoms, cache entries, profiles.

Portage judges dependencies and atoms. Of the rest only crashes, hangs and what does not print back
are faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.md5_cache import parse_entry, render_entry
from sysextlib.ebuild.profile import load_profile, package_of
from sysextlib.ebuild.repository import open_repositories
from sysextlib.errors import SysextError, ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.dependency import (
    AllOf,
    evaluate,
    flags,
    parse_depend,
    parse_license,
    parse_properties,
    parse_required_use,
    parse_restrict,
    parse_src_uri,
)
from sysextlib.gentoo.required_use import broken_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from random import Random

    from sysextlib.ebuild.metadata import Metadata
    from sysextlib.ebuild.repository import Repository

EAPIS: Final = tuple("0123456789")
_PIECES: Final = (
    " ", "  ", "\t", "\n", "(", ")", " ( ", " ) ", "|| ( ", "^^ ( ", "?? ( ", "!", "!!", "a? ( ",
    "?", "=", "~", "<", ">", "*", "/", ":", "::", ":=", ":*", ":0/1", "[", "]", ",", "[a]", "(+)",
    "(-)", "-", ".", "+", "_", "@", "-r1", "-1", "_p1", "a", "0", "00", "é", "-> ", " -> b", "#",
    "\\", "$", "${A}", '"', "'", "-*", "-", "\x00", "\x7f", "\udcff", "https://", "mirror://",
)  # fmt: skip
_PARSERS: Final[Mapping[str, Callable[..., AllOf]]] = {
    "DEPEND": parse_depend, "RDEPEND": parse_depend, "BDEPEND": parse_depend,
    "PDEPEND": parse_depend, "REQUIRED_USE": parse_required_use, "LICENSE": parse_license,
    "SRC_URI": parse_src_uri, "RESTRICT": parse_restrict, "PROPERTIES": parse_properties,
}  # fmt: skip
_LISTS: Final = (
    "make.defaults", "parent", "eapi", "package.use", "package.mask", "package.unmask", "use.mask",
    "package.use.mask", "use.force", "package.use.force", "package.provided", "use.stable.mask",
    "package.accept_keywords", "package.keywords", "package.use.stable.mask",
)  # fmt: skip
NO_PACKAGE: Final = "__const__/empty-any-of"  # how Portage writes a group that nothing satisfies


class Texts:
    """Damaged texts, by one source of chance.

    :param known: metadata of some ebuilds. :param work: a folder for a repository.
    :ivar shown: what was damaged last. :ivar read: how many were not refused.
    """

    def __init__(
        self,
        chance: Random,
        known: Sequence[Metadata],
        repositories: Mapping[str, Repository],
        work: Path,
    ) -> None:
        self.chance = chance
        self.known = known
        self.shown = ""
        self.read = 0
        self.profiles: dict[str, list[str]] = {}
        for name, repository in repositories.items():
            root = repository.path / "profiles"
            found = [str(path.parent.relative_to(root)) for path in root.rglob("make.defaults")]
            if found:
                self.profiles[name] = sorted(found)
        self.repositories = repositories
        self.own = work / "damaged"
        self._write("profiles/repo_name", "damaged")
        self._write("metadata/layout.conf", "masters =\n")

    def _write(self, name: str, text: str) -> None:
        place = self.own / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", errors="surrogateescape")

    def damage(self, text: str) -> str:
        """Return a text with one to three faults."""
        chance = self.chance
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            at = chance.randrange(len(text) + 1)
            cut = chance.choice((0, 0, 1, 2, 8))
            kind = chance.randrange(4)
            if kind <= 1:
                text = text[:at] + chance.choice(_PIECES) + text[at + cut :]
            elif kind == 2:
                text = text[:at] + text[at + cut :]
            else:
                start = chance.randrange(len(text) + 1)
                text = text[:at] + text[start : start + chance.choice((1, 3, 20))] + text[at:]
        return text

    def value(self) -> str:
        """Compare a damaged value; return what is wrong, "" for nothing."""
        chance = self.chance
        metadata = chance.choice(self.known)
        key = chance.choice(sorted(_PARSERS))
        eapi = metadata.value("EAPI") if chance.randrange(3) else chance.choice(EAPIS)
        words = metadata.value(key).split(" ")
        first = chance.randrange(len(words))
        text = self.damage(" ".join(words[first : first + chance.choice((3, 20, 200))]))
        self.shown = f"{key} EAPI {eapi}\n{text}"
        try:
            tree = _PARSERS[key](text, eapi)
        except ValueSyntaxError:
            tree = None
        fault = ""
        if tree is not None:
            self.read += 1
            if " ".join(str(tree).split()) != " ".join(text.split()):
                fault = f"prints back as {tree}"
            use = frozenset(flag for flag in sorted(flags(tree)) if chance.randrange(2))
            if key == "REQUIRED_USE":
                broken_rules(tree, use, eapi)
            elif key.endswith("DEPEND"):
                fault = fault or _compared(text, eapi, use, tree)
        elif key.endswith("DEPEND") and _reduced(text, eapi, None) is not None:
            fault = "Portage takes it"
        return fault

    def atom(self) -> str:
        """Compare a damaged atom likewise."""
        from portage.dep import Atom as PortageAtom
        from portage.exception import InvalidAtom

        chance = self.chance
        words = chance.choice(self.known).value("RDEPEND").split() or ["a/b"]
        text, eapi = self.damage(chance.choice(words)), chance.choice(EAPIS)
        self.shown = f"EAPI {eapi}\n{text}"
        try:
            ours = str(Atom.parse(text, eapi))
            self.read += 1
        except ValueSyntaxError:
            ours = ""
        try:
            theirs = str(PortageAtom(text, eapi=eapi, allow_build_id=False))
        except InvalidAtom:
            theirs = ""
        return "" if ours == theirs else f"Portage: {theirs!r}"

    def entry(self) -> str:
        """Read a damaged entry of a cache."""
        text = self.damage(render_entry(self.chance.choice(self.known)).decode("utf-8"))
        self.shown = text
        data = text.encode("utf-8", "surrogateescape")
        try:
            found = parse_entry(data, "x")
        except SysextError:
            return ""
        self.read += 1
        if parse_entry(render_entry(found), "x") != found:
            return "is not written back"
        for key, parse in _PARSERS.items():
            try:
                parse(found.value(key), found.value("EAPI"))
            except SysextError:
                continue
        return ""

    def profile(self) -> str:
        """Load a profile with damaged files, and ask it for what an ebuild gets."""
        chance = self.chance
        name = chance.choice(sorted(self.profiles))
        place = chance.choice(self.profiles[name])
        real = self.repositories[name].path / "profiles" / place
        self.shown = f"{name}:{place}"
        self._write("profiles/p/parent", f"{name}:{place}\n")
        for file in chance.sample(_LISTS, k=2):
            text = (real / file).read_text(errors="replace") if (real / file).is_file() else ""
            if not text:
                text = "\n".join(chance.choice(self.known).value("RDEPEND").split()[:9]) + "\n"
            text = self.damage(text)
            self._write(f"profiles/p/{file}", text)
            self.shown += f"\n-- {file}\n{text}"
        try:
            repositories = {**self.repositories, **open_repositories([self.own])}
            profile = load_profile(self.own / "profiles/p", repositories)
            for metadata in chance.choices(self.known, k=3):
                package = package_of(Cpv.parse("dev-libs/openssl-3.0.1"), metadata)
                profile.use(package)
                profile.accepts(package)
                profile.mask_of(package)
            self.read += 1
        except SysextError:
            pass
        finally:
            for file in _LISTS:
                (self.own / "profiles/p" / file).unlink(missing_ok=True)
        return ""


def _reduced(text: str, eapi: str, use: frozenset[str] | None) -> list[object] | None:
    """Return what Portage makes of dependencies, None when it refuses them."""
    import portage.dep
    from portage.exception import InvalidDependString

    chosen = {"matchall": True} if use is None else {"uselist": use}
    try:
        found: list[object] = portage.dep.use_reduce(
            text, eapi=eapi, token_class=portage.dep.Atom, **chosen
        )
    except InvalidDependString:
        return None
    return found


def _compared(text: str, eapi: str, use: frozenset[str], tree: AllOf) -> str:
    import portage.dep

    theirs = _reduced(text, eapi, use)
    if theirs is None:
        return "Portage refuses it"
    # its nested lists as a tree of ours, without the groups that say nothing
    plain = evaluate(parse_depend(portage.dep.paren_enclose(theirs)), frozenset())
    ours = str(evaluate(tree, use, eapi)).replace("|| ( )", NO_PACKAGE)
    return "" if ours == str(plain) else f"with {sorted(use)}\nours:    {ours}\nPortage: {plain}"

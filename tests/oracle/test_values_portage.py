"""Portage reads, orders and matches the same versions and atoms the same way."""

import re
from types import SimpleNamespace

import portage.dep
import portage.versions
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from portage.dbapi import dbapi
from portage.exception import InvalidAtom

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.package import Package
from sysextlib.gentoo.version import VERSION, Version
from tests.builders.gentoo_values import (
    ATOMS,
    CATEGORIES,
    EAPIS,
    FLAGS,
    NAMES,
    REPOS,
    SLOTS,
    USE,
    VERSIONS,
    near_atoms,
)

pytestmark = pytest.mark.oracle
OPERATORS = st.sampled_from(["=", "~", "<", "<=", ">", ">="])
many = settings(max_examples=300, deadline=None, derandomize=True)


class Built(dbapi):
    """Portage's own matching of built packages, for a profile whose only implicit flag is x86."""

    _use_mutable = False

    def __init__(self):
        self.settings = SimpleNamespace(
            _iuse_effective_match=frozenset(["x86"]).__contains__,
            _iuse_implicit_match=frozenset(["x86"]).__contains__,
        )


def portage_atom(text, **options):
    try:
        return portage.dep.Atom(text, **options)
    except InvalidAtom:
        return None


def our_atom(text, eapi="8", **options):
    try:
        return Atom.parse(text, eapi, **options)
    except ValueSyntaxError:
        return None


def fields(atom):
    """The parts of one of our atoms as Portage names them."""
    return {
        "blocker": bool(atom.blocker),
        "strong": atom.blocker == "!!",
        "operator": (atom.op + "*" * atom.glob) or None,
        "cp": atom.cp,
        "version": str(atom.version) if atom.version else None,
        "slot": atom.slot or None,
        "sub_slot": atom.subslot or None,
        "slot_operator": atom.slot_op or None,
        "repo": atom.repo or None,
        "use": tuple(map(str, atom.use)),
    }


def portage_fields(atom):
    found = {name: getattr(atom, name) for name in fields(Atom("a", "b")) if hasattr(atom, name)}
    found["blocker"] = bool(atom.blocker)
    found["strong"] = bool(atom.blocker and atom.blocker.overlap.forbid)
    found["use"] = tuple(atom.use.tokens) if atom.use else ()
    return found


@many
@given(VERSIONS, VERSIONS)
@example("1.0-r0", "1.0")
@example("01.1", "1.1")
@example("1.010", "1.01")
@example("1_p", "1_p0")
@example("1.2b", "1.2.5")
def test_versions_have_the_same_order(left, right):
    order = portage.versions.vercmp(left, right)
    ours, theirs = Version.parse(left), Version.parse(right)
    assert (ours > theirs) - (ours < theirs) == (order > 0) - (order < 0)
    assert (ours == theirs) == (order == 0)


@many
@given(VERSIONS, st.integers(0, 20), st.sampled_from(["", ".", "_", "-", "a", "1", "_p", "-r"]))
def test_the_same_texts_are_versions(version, at, piece):
    text = version[:at] + piece + version[at:]
    try:
        ours = str(Version.parse(text)) == text
    except ValueSyntaxError:
        ours = False
    assert ours == portage.versions.ververify(text)


@many
@given(CATEGORIES, NAMES, VERSIONS)
@example("a", "foo-1", "2")
@example("a", "foo-1_p", "2-r3")
def test_package_names_are_taken_apart_the_same_way(category, name, version):
    text = f"{category}/{name}-{version}"
    split = portage.versions.catpkgsplit(text)
    try:
        cpv = Cpv.parse(text)
    except ValueSyntaxError:
        assert split is None
        return
    revision = f"r{cpv.version.text.rpartition('-r')[2]}" if "-r" in cpv.pvr else "r0"
    assert (cpv.category, cpv.name, cpv.version.without_revision.text, revision) == split
    assert str(cpv) == text


@many
@given(ATOMS | near_atoms(), EAPIS)
@example("a/b:0*", "8")
@example("a/b:0/1.2=", "8")
@example("a/b[x(+),-x]", "8")
@example("!!!a/b", "8")
@example(">=a/b-1-2", "8")
@example("~a/b-1-r1", "8")
@example("=a/b-1-r1*", "8")
@example("a/b::gentoo", "8")
@example("a/b[x", "8")
@example("a/b[]", "8")
def test_the_same_texts_are_atoms_with_the_same_parts(text, eapi):
    theirs = portage_atom(text, eapi=eapi, allow_build_id=False)
    ours = our_atom(text, eapi)
    assert (ours is None) == (theirs is None)
    if ours is not None:
        assert fields(ours) == portage_fields(theirs)
        assert str(ours) == text


@many
@given(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["*/*", "*/foo", "sys-*/foo*", "a/*", "a/b", "a/**", "*/b-1", "=*/*-*99*"])
        | near_atoms(),
        st.sampled_from(["", ":0", ":0/1", ":="]),
        st.sampled_from(["", "::gentoo", "[a]"]),
    )
)
def test_configuration_files_have_the_same_wildcards(text):
    theirs = portage_atom(text, allow_wildcard=True, allow_repo=True, allow_build_id=False)
    ours = our_atom(text, wildcards=True)
    if theirs is not None and theirs.extended_syntax and not can_match(theirs):
        theirs = None  # Portage lets through what cannot match anything; we say so
    assert (ours is None) == (theirs is None)
    if ours is not None:
        wanted = portage_fields(theirs)
        if ours.version_part:
            wanted |= {"version": None}
        assert fields(ours) == wanted
        assert str(ours) == text


def can_match(wildcard):
    """Whether an atom has a wildcard, and otherwise a name that a package may have."""
    name = wildcard.cp.replace("*", "x")
    return "*" in wildcard.cp and not re.search(rf"(?:^|/)\+|-{VERSION}$", name)


PACKAGES = st.builds(
    Package,
    cpv=st.builds("{}/{}-{}".format, CATEGORIES, NAMES, VERSIONS).map(Cpv.parse),
    slot=SLOTS,
    subslot=st.just("") | SLOTS,
    repo=REPOS,
    eapi=st.sampled_from(["4", "8"]),
    iuse=st.frozensets(FLAGS),
    use=USE,
)


@many
@given(st.data(), PACKAGES, USE)
def test_the_same_packages_match(data, package, parent_use):
    text = data.draw(atoms_like(package))
    ours = our_atom(text, repos=True)
    if ours is None:
        assert portage_atom(text, eapi="8", allow_repo=True, allow_build_id=False) is None
        return
    assert ours.matches(package, parent_use, implicit=frozenset(["x86"])) == portage_matches(
        text, package, parent_use
    )
    evaluated = ours.evaluated(parent_use)
    assert evaluated.matches(package, implicit=frozenset(["x86"])) == portage_matches(
        text, package, parent_use
    )


def atoms_like(package):
    """Atoms that have a chance to match."""
    cpv = package.cpv
    version = st.just(str(cpv.version)) | VERSIONS
    prefix = st.integers(1, len(cpv.pvr)).map(lambda end: cpv.pvr[:end])
    name = (
        st.just(cpv.cp)
        | st.builds(f"{{}}{cpv.cp}-{{}}".format, OPERATORS, version)
        | st.builds(f"={cpv.cp}-{{}}*".format, prefix | version)
    )
    slot = st.sampled_from(
        ["", f":{package.slot}", f":{package.slot}/{package.effective_subslot}="]
    )
    flag = st.builds(
        "{0[0]}{1}{2}{0[1]}".format,
        st.sampled_from([("", ""), ("-", ""), ("", "?"), ("!", "?"), ("", "="), ("!", "=")]),
        FLAGS,
        st.sampled_from(["", "(+)", "(-)"]),
    )
    use = st.just("") | st.lists(flag, min_size=1, max_size=3).map(lambda d: f"[{','.join(d)}]")
    return st.builds(
        "{}{}{}{}".format,
        name,
        slot | SLOTS.map(":{}".format),
        st.sampled_from(["", f"::{package.repo}", "::gentoo"]),
        use,
    )


def portage_matches(text, package, parent_use):
    atom = portage.dep.Atom(text, eapi="8", allow_repo=True, allow_build_id=False)
    slot = f"{package.slot}/{package.subslot}" if package.subslot else package.slot
    candidate = portage.versions._pkg_str(str(package.cpv), slot=slot, repo=package.repo, eapi="8")
    if not portage.dep.match_from_list(atom.without_use, [candidate]):
        return False
    metadata = {
        "EAPI": package.eapi,
        "IUSE": " ".join(package.iuse),
        "USE": " ".join(package.use),
        "SLOT": slot,
    }
    if not atom.use:
        return True
    return Built()._match_use(atom.evaluate_conditionals(parent_use), candidate, metadata)

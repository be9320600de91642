import pytest
from hypothesis import given, settings

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.package import Package
from sysextlib.gentoo.use import UseDep
from sysextlib.gentoo.version import Version
from tests.builders.gentoo_values import near_atoms

repeatable = settings(deadline=None, derandomize=True)


def package(cpv="dev-lang/python-3.11.4", **values):
    return Package(cpv=Cpv.parse(cpv), **({"eapi": "8"} | values))


def test_every_part_of_an_atom_is_read():
    atom = Atom.parse("!!>=dev-lang/python-3.11_p1-r2:3.11/3.11=[ssl,-doc(+),x?]")
    assert atom == Atom(
        category="dev-lang",
        name="python",
        blocker="!!",
        op=">=",
        version=Version.parse("3.11_p1-r2"),
        slot="3.11",
        subslot="3.11",
        slot_op="=",
        use=(UseDep("ssl"), UseDep("doc", "-", "+"), UseDep("x", "?")),
    )
    assert atom.cp == "dev-lang/python"


@pytest.mark.parametrize(
    "text", ["a/b", "=a/b-1*", "a/b:*", "a/b:=", "a/b:0/1", "~a/b-1-r1", "!a/b[!x=,y(-)?]"]
)
def test_an_atom_prints_as_it_was_written(text):
    assert str(Atom.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "column", "rule"),
    [
        ("", 0, "an empty atom"),
        ("python", 0, "'python' has no category"),
        (">=python-3", 2, "'>=python-3' has no category"),
        ("!!!a/b", 2, "a blocker has one or two exclamation marks"),
        ("-a/b", 0, "a category cannot begin with '-'"),
        ("a b/c", 1, "a category cannot hold ' '"),
        ("a/", 2, "no package name after the category"),
        ("a/b-1", 2, "'b-1' ends in a version, which needs an operator before the atom"),
        ("a/b.c", 3, "a package name cannot hold '.'"),
        (">=a/b", 4, "'b' has no version, which the operator before it needs"),
        (">=a/b-1-2", 5, "'b-1-2' is not NAME-VERSION"),
        (">=a/b-1*", 7, "an asterisk after the version needs = before, not >="),
        ("a/b:", 4, "a slot cannot be like this"),
        ("a/b:-1", 4, "a slot cannot be like this"),
        ("a/b::-", 4, "a repository name cannot be like this"),
        ("a/b:0*", 5, "only configuration files may use wildcards"),
        ("a/*", 2, "only configuration files may use wildcards"),
        ("a/b[x", 3, "the USE dependencies that open here are not closed"),
        ("a/b[x]:0", 6, "nothing can follow the USE dependencies"),
        ("a/b[x,]", 6, "a USE flag is missing here"),
        ("a/b[x,-y?]", 6, "'-y?' is no USE dependency"),
        ("a/b[x(+),x]", 9, "USE flag x occurs with two different defaults"),
        ("a/b::gentoo", 3, "no EAPI lets a dependency name a repository"),
        ("a/b,c", 3, "',' cannot stand here"),
    ],
)
def test_the_error_names_the_rule_and_shows_the_place(text, column, rule):
    with pytest.raises(ValueSyntaxError) as refusal:
        Atom.parse(text)
    assert rule in refusal.value.brief
    assert refusal.value.column == column


@pytest.mark.parametrize(
    ("text", "first", "rule"),
    [
        ("a/b:1", 1, "slots begin with EAPI 1"),
        ("!!a/b", 2, "strong blockers begin with EAPI 2"),
        ("a/b[x]", 2, "USE dependencies begin with EAPI 2"),
        ("a/b[x(+)]", 4, "USE defaults begin with EAPI 4"),
        ("a/b:=", 5, "slot operators begin with EAPI 5"),
        ("a/b:0/1", 5, "sub-slots begin with EAPI 5"),
    ],
)
def test_what_an_eapi_has_not_is_refused_with_the_first_that_has_it(text, first, rule):
    for eapi in range(first, 10):
        assert str(Atom.parse(text, str(eapi))) == text
    with pytest.raises(ValueSyntaxError, match=f"{rule}, and this is EAPI {first - 1}"):
        Atom.parse(text, str(first - 1))


@pytest.mark.parametrize("text", ["a/**", "*/*[x]", ">=*/b-1", "*/*:", "a*", "=*/b-1"])
def test_wildcards_have_their_own_form(text):
    with pytest.raises(ValueSyntaxError, match="not what an atom with wildcards looks like"):
        Atom.parse(text, wildcards=True)


def test_an_unknown_eapi_is_refused():
    with pytest.raises(ValueSyntaxError, match="unknown EAPI '10'"):
        Atom.parse("a/b", "10")


@repeatable
@given(near_atoms())
def test_any_text_is_an_atom_or_a_clear_error(text):
    try:
        printed, column = str(Atom.parse(text)), 0
    except ValueSyntaxError as error:
        printed, column = text, error.column
    assert printed == text
    assert 0 <= column <= len(text)


@pytest.mark.parametrize(
    "text",
    [">=a/b" + "-1" * 4000, "a/b" + "-1_p" * 2000, ">=a/b-" + "1" * 8000, "a/b[" + "x," * 5000],
)
def test_hostile_texts_are_refused(text):
    with pytest.raises(ValueSyntaxError):
        Atom.parse(text)


@pytest.mark.parametrize(
    ("atom", "fits"),
    [
        ("dev-lang/python", True),
        ("dev-lang/perl", False),
        ("=dev-lang/python-3.11.4", True),
        ("=dev-lang/python-3.11.4-r0", True),
        ("~dev-lang/python-3.11.4", True),
        ("~dev-lang/python-3.11.4-r7", True),
        ("~dev-lang/python-3.11.04", False),
        ("=dev-lang/python-3.1*", False),
        ("=dev-lang/python-3.11*", True),
        ("=dev-lang/python-03*", True),
        ("=dev-lang/python-3.11.4-r1*", False),
        (">dev-lang/python-3.11.4", False),
        (">=dev-lang/python-3.11.4", True),
        ("<dev-lang/python-3.11.4-r1", True),
        ("<=dev-lang/python-3.11", False),
        ("dev-lang/python:3.11", True),
        ("dev-lang/python:3", False),
        ("dev-lang/python:3.11/3.11=", True),
        ("dev-lang/python:3.11/1=", False),
        ("dev-lang/python:*", True),
        ("!dev-lang/python", True),
        ("dev-lang/python::gentoo", True),
        ("dev-lang/python::other", False),
        ("*/*", True),
        ("dev-*/p*n:3.11", True),
        ("dev-*/*x*", False),
        ("=dev-lang/python-*11*", True),
        ("=*/*-*12*", False),
    ],
)
def test_which_atoms_speak_of_a_package(atom, fits):
    found = package(slot="3.11", repo="gentoo")
    assert Atom.parse(atom, wildcards=True).matches(found) == fits


@pytest.mark.parametrize(
    ("use", "fits"),
    [
        ("on", True),
        ("-on", False),
        ("off", False),
        ("-off", True),
        ("unknown", False),
        ("-unknown", False),
        ("unknown(+)", True),
        ("-unknown(+)", False),
        ("unknown(-)", False),
        ("-unknown(-)", True),
        ("on(-)", True),
        ("built", True),
        ("implicit", False),
        ("-implicit", True),
        ("off?", True),
        ("unknown?", False),
        ("parent?", True),
        ("!on?", False),
        ("on=", False),
        ("!on=", True),
    ],
)
def test_use_dependencies_ask_the_flags_a_package_was_built_with(use, fits):
    found = package(
        iuse=frozenset(["on", "off", "parent"]), use=frozenset(["on", "built", "parent"])
    )
    atom = Atom.parse(f"dev-lang/python[{use}]")
    parent, implicit = frozenset(["parent"]), frozenset(["implicit"])
    assert atom.matches(found, parent, implicit=implicit) == fits
    assert atom.evaluated(parent).matches(found, implicit=implicit) == fits
    assert atom.without_use.matches(found)


def test_a_built_flag_that_iuse_lacks_counts_only_since_eapi_5():
    atom = Atom.parse("dev-lang/python[x]")
    assert atom.matches(package(use=frozenset("x"), eapi="5"))
    assert not atom.matches(package(use=frozenset("x"), eapi="4"))


def test_iuse_effective_tells_which_flags_are_implicit():
    atom = Atom.parse("dev-lang/python[-elibc_musl]")
    assert not atom.matches(package())
    assert atom.matches(package(values=(("IUSE_EFFECTIVE", "elibc_glibc elibc_musl"),)))


def test_conditional_use_dependencies_are_decided_by_the_parent():
    atom = Atom.parse("a/b[x?,!y?,z=,!w=,v(+)]")
    assert str(atom.evaluated(frozenset("xyw"))) == "a/b[x,-z,-w,v(+)]"
    assert str(atom.evaluated(frozenset("z"))) == "a/b[-y,z,w,v(+)]"

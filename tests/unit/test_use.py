import pytest

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.use import UseDep, is_flag, parse_iuse, read_use_dep


def test_iuse_gives_the_flags_and_which_are_on_by_default():
    assert parse_iuse("+ssl -doc  test +a@b\tssl") == (
        frozenset(["ssl", "doc", "test", "a@b"]),
        frozenset(["ssl", "a@b"]),
    )
    assert parse_iuse("") == (frozenset(), frozenset())


def test_iuse_refuses_what_is_no_flag_and_shows_where():
    with pytest.raises(ValueSyntaxError, match=r"IUSE lists '\+\+b'") as refusal:
        parse_iuse("a ++b")
    assert refusal.value.column == 2


def test_iuse_has_no_defaults_in_eapi_0():
    assert parse_iuse("a", eapi="0")[0] == {"a"}
    with pytest.raises(ValueSyntaxError, match="needs EAPI 1"):
        parse_iuse("+a", eapi="0")


@pytest.mark.parametrize(
    ("text", "good"), [("a", True), ("A0+_@-", True), ("_a", False), ("", False), ("a.b", False)]
)
def test_flags_are_letters_digits_and_few_signs(text, good):
    assert is_flag(text) == good


@pytest.mark.parametrize(
    ("text", "with_it", "without"),
    [
        ("x", True, True),
        ("-x", False, False),
        ("x?", True, None),
        ("!x?", None, False),
        ("x=", True, False),
        ("!x=", False, True),
        ("x(+)=", True, False),
    ],
)
def test_what_a_use_dependency_wants_depends_on_the_parent(text, with_it, without):
    dep = read_use_dep(text)
    assert dep is not None
    assert dep.wanted(frozenset("x")) is with_it
    assert dep.wanted(frozenset()) is without
    assert str(dep) == text


@pytest.mark.parametrize("text", ["", "!x", "-x?", "-x=", "x??", "x(*)", "x?(+)", "(+)", "x ", "é"])
def test_other_signs_are_no_use_dependency(text):
    assert read_use_dep(text) is None


def test_the_parts_of_a_use_dependency():
    assert read_use_dep("!foo(-)?") == UseDep("foo", "!?", "-")

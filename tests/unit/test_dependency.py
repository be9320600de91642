import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.atom import Atom
from sysextlib.gentoo.dependency import (
    AllOf,
    AnyOf,
    ExactlyOneOf,
    Uri,
    UseConditional,
    evaluate,
    flags,
    leaves,
    parse_depend,
    parse_license,
    parse_properties,
    parse_required_use,
    parse_restrict,
    parse_src_uri,
)
from sysextlib.gentoo.dependency_parser import MAX_DEPTH, MAX_LENGTH
from sysextlib.gentoo.required_use import broken_rules, is_satisfied
from sysextlib.system.run import run
from tests.builders.gentoo_values import ATOMS, token_soup, trees

repeatable = settings(deadline=None, derandomize=True)

NONE = frozenset()


def atoms(*texts):
    return tuple(map(Atom.parse, texts))


def test_a_dependency_becomes_a_tree():
    assert parse_depend("a/b || ( a/c ( a/d a/e ) ) !x? ( >=a/f-1[y?] )") == AllOf(
        (
            *atoms("a/b"),
            AnyOf((*atoms("a/c"), AllOf(atoms("a/d", "a/e")))),
            UseConditional("x", True, atoms(">=a/f-1[y?]")),
        )
    )


def test_nothing_is_a_tree_too():
    assert parse_depend(" \n") == AllOf()
    assert str(AllOf()) == ""


@repeatable
@given(trees(ATOMS, ("||",)))
def test_a_tree_prints_as_text_that_gives_the_same_tree(text):
    try:
        tree = parse_depend(text)
    except ValueSyntaxError:
        return
    assert str(tree) == text
    assert parse_depend(text.replace(" ", "\n\t ")) == tree


@repeatable
@given(token_soup(ATOMS))
def test_any_tokens_are_a_tree_or_a_clear_error(text):
    try:
        printed, column = str(parse_depend(text)), 0
    except ValueSyntaxError as error:
        printed, column = text, error.column
    assert printed == text
    assert 0 <= column <= len(text)


@pytest.mark.parametrize(
    ("parse", "text", "column", "rule"),
    [
        (parse_depend, "|| ( a/b", 3, "the group that opens here is never closed"),
        (parse_depend, "( ( a/b )", 0, "the group that opens here is never closed"),
        (parse_depend, "a/b )", 4, "this parenthesis closes no group"),
        (
            parse_depend,
            "|| a/b",
            0,
            "'||' must be followed by a group in parentheses, not by 'a/b'",
        ),
        (parse_depend, "a/b x?", 4, "'x?' must be followed by a group in parentheses"),
        (parse_depend, "x? ( )", 0, "an empty group"),
        (parse_depend, "a/b\n a/c-1", 7, "'c-1' ends in a version"),
        (parse_depend, "x? ( a/b (a/c) )", 9, "white space must separate '(' from '(a/c)'"),
        (parse_depend, "( a/b[x(+)]) )", 11, "white space must separate ')' from 'a/b[x(+)])'"),
        (parse_depend, "a/b||", 3, "white space must separate '||' from 'a/b||'"),
        (parse_depend, "-x? ( a/b )", 0, "'-x?' names no USE flag"),
        (parse_depend, "^^ ( a/b )", 0, "^^ groups are not for DEPEND"),
        (parse_depend, "a/b -> c", 0, "'->' is for SRC_URI only"),
        (parse_required_use, "a -b", 2, "'-b' is no USE flag"),
        (parse_license, "GPL-2 .x", 6, "'.x' is no name of a licence"),
        (parse_restrict, "|| ( a b )", 0, "|| groups are not for RESTRICT"),
        (parse_properties, "live (x)", 5, "white space must separate '('"),
        (parse_src_uri, "-> x", 0, "'->' must follow a URI"),
        (parse_src_uri, "http://x/y ->", 11, "'->' must be followed by a file name"),
        (parse_src_uri, "http://x/y -> a/b", 14, "'a/b' is no file name: it has a slash"),
        (parse_src_uri, "http://x/", 0, "'http://x/' names no file"),
    ],
)
def test_the_error_names_the_rule_and_shows_the_place(parse, text, column, rule):
    with pytest.raises(ValueSyntaxError) as refusal:
        parse(text, "8", "a.ebuild")
    assert rule in refusal.value.brief
    assert refusal.value.column == column
    assert refusal.value.facts["read from"] == "a.ebuild"


def test_the_error_points_into_the_right_line():
    with pytest.raises(ValueSyntaxError) as refusal:
        parse_depend("a/b\n  x? ( a/c:-0 )")
    assert str(refusal.value).splitlines()[1:6] == [
        "  line: 2",
        "  column: 12",
        "  near: ",
        "      x? ( a/c:-0 )",
        "               ^",
    ]


@pytest.mark.parametrize(
    ("parse", "text", "first"),
    [
        (parse_depend, "a/b:0", 1),
        (parse_src_uri, "http://x/y -> z", 2),
        (parse_required_use, "a", 4),
        (parse_required_use, "?? ( a b )", 5),
        (parse_src_uri, "fetch+http://x/y", 8),
    ],
)
def test_what_an_eapi_has_not_is_refused_with_the_first_that_has_it(parse, text, first):
    assert str(parse(text, str(first))) == text
    with pytest.raises(ValueSyntaxError, match=rf"begins? with EAPI {first}, and this is"):
        parse(text, str(first - 1))


@pytest.mark.parametrize(
    "text",
    [
        "( " * 100_000,
        "x? ( " * 100_000 + ") " * 100_000,
        "a/b " * (10_000_000 // 4),
        "(" * 10_000_000,
        ") " * 1_000_000,
    ],
    ids=["open", "nested", "long", "one word", "closing"],
)
def test_hostile_texts_are_refused(text):
    with pytest.raises(ValueSyntaxError) as refusal:
        parse_depend(text)
    assert len(str(refusal.value)) < 1000


def test_the_limits_leave_room_for_real_values():
    deep = "( " * MAX_DEPTH + "a/b" + " )" * MAX_DEPTH
    tree = parse_depend(deep)
    assert str(tree) == deep
    assert evaluate(tree, NONE) == AllOf(atoms("a/b"))
    assert MAX_LENGTH > 10 * 128 * 1024  # more than ten times what an environment variable can hold


@pytest.mark.parametrize(
    ("text", "use", "reduced"),
    [
        ("x? ( a/b ) !x? ( a/c )", "x", "a/b"),
        ("x? ( a/b ) !x? ( a/c )", "", "a/c"),
        ("( a/b ( a/c ) )", "", "a/b a/c"),
        ("|| ( a/b )", "", "a/b"),
        ("|| ( ( a/b a/c ) )", "", "a/b a/c"),
        ("|| ( || ( a/b a/c ) a/d )", "", "|| ( a/b a/c a/d )"),
        ("|| ( x? ( a/b ) a/c a/d )", "", "|| ( a/c a/d )"),
        ("|| ( x? ( a/b a/c ) a/d )", "x", "|| ( ( a/b a/c ) a/d )"),
        ("|| ( x? ( a/b ) )", "", "|| ( )"),
        ("a/b[x?,y=]", "x", "a/b[x,-y]"),
    ],
)
def test_evaluation_leaves_what_must_hold(text, use, reduced):
    assert str(evaluate(parse_depend(text), frozenset(use))) == reduced


def test_an_empty_any_of_group_holds_until_eapi_6():
    tree = parse_depend("|| ( x? ( a/b ) ) a/c", "6")
    assert str(evaluate(tree, NONE, "6")) == "a/c"
    assert str(evaluate(tree, NONE, "7")) == "|| ( ) a/c"


def test_evaluating_required_use_keeps_its_groups():
    tree = parse_required_use("^^ ( x? ( a ) b ) x? ( ?? ( a b ) )")
    assert evaluate(tree, frozenset("x")).children[0] == ExactlyOneOf(("a", "b"))
    assert str(evaluate(tree, NONE)) == "^^ ( b )"


def test_source_uris_keep_their_names_and_restrictions():
    tree = parse_src_uri("mirror+https://x/y.tar.gz x? ( fetch+https://x/v1?a=b -> p-1.tgz )")
    assert list(leaves(tree)) == [
        Uri("https://x/y.tar.gz", "y.tar.gz", lifts="mirror"),
        Uri("https://x/v1?a=b", "p-1.tgz", renamed=True, lifts="fetch"),
    ]


def test_flags_are_all_that_can_change_the_meaning():
    tree = parse_depend("x? ( a/b[y?,z] ) || ( !w? ( a/c[v=] ) a/d )")
    assert flags(tree) == {"x", "y", "w", "v"}


@pytest.mark.parametrize(
    ("text", "use", "why"),
    [
        ("a b", "a", ["b: b must be on"]),
        ("!a", "a", ["!a: a must be off"]),
        ("|| ( a b )", "", ["|| ( a b ): at least one must hold, but none does"]),
        ("^^ ( a b c )", "ab", ["^^ ( a b c ): exactly one must hold, but a and b do"]),
        (
            "?? ( a ( b c ) )",
            "abc",
            ["?? ( a ( b c ) ): at most one must hold, but a and ( b c ) do"],
        ),
        ("a? ( !b? ( c d ) )", "ad", ["c: c must be on (because of a? !b?)"]),
        ("a? ( b )", "", []),
    ],
)
def test_a_broken_rule_of_required_use_is_explained(text, use, why):
    tree = parse_required_use(text)
    assert list(map(str, broken_rules(tree, frozenset(use)))) == why
    assert is_satisfied(tree, frozenset(use)) == (not why)


@repeatable
@given(st.sampled_from(["0", "8"]))
def test_values_are_equal_when_their_trees_are(eapi):
    assert parse_depend("a/b  a/c", eapi) == parse_depend("a/b a/c", eapi)
    assert hash(parse_depend("a/b a/c", eapi)) == hash(parse_depend("a/b  a/c", eapi))


def test_lark_is_loaded_only_when_a_text_is_parsed():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from sysextlib.gentoo.dependency import parse_depend; parse_depend('');"
        "assert 'lark' not in sys.modules; parse_depend('a/b'); assert 'lark' in sys.modules"
    )
    run([sys.executable, "-c", program, str(Path(__file__).parents[2])])

"""Portage reads, reduces and judges the same dependency-style values the same way."""

import portage.dep
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from portage.exception import InvalidDependString

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.dependency import (
    AllOf,
    AnyOf,
    evaluate,
    leaves,
    parse_depend,
    parse_license,
    parse_properties,
    parse_required_use,
    parse_restrict,
    parse_src_uri,
)
from sysextlib.gentoo.required_use import broken_rules, is_satisfied
from tests.builders.gentoo_values import ATOMS, EAPIS, FLAGS, USE, token_soup, trees

pytestmark = pytest.mark.oracle
many = settings(max_examples=300, deadline=None, derandomize=True)

MODERN = st.sampled_from(["5", "6", "7", "8", "9"])
NO_PACKAGE = "__const__/empty-any-of"  # how Portage writes a group that nothing satisfies
FLAG_LEAVES = st.builds("{}{}".format, st.sampled_from(["", "!"]), FLAGS)
URIS = st.sampled_from(
    [
        "https://a.org/x.tar.gz",
        "mirror://gnu/y.tgz",
        "z.zip",
        "https://a/b -> c",
        "a -> b+c",
        "https://a/?b",
        "fetch+https://a/f",
        "mirror+https://a/m -> n",
        "fetch+x",
    ]
)


def accepted(parse, *arguments, **options):
    """What a parser returns, or None when it refuses."""
    try:
        return parse(*arguments, **options)
    except (ValueSyntaxError, InvalidDependString):
        return None


def use_reduce(text, eapi, **options):
    return accepted(
        portage.dep.use_reduce, text, eapi=eapi, token_class=portage.dep.Atom, **options
    )


def as_text(node):
    """Our tree as text, with Portage's word for an any-of group that is empty."""
    return str(node).replace("|| ( )", NO_PACKAGE)


def plain(reduced):
    """Portage's nested lists as a tree of ours, without the groups that say nothing.

    Portage itself leaves some of those, depending on what stands around them.
    """
    return evaluate(parse_depend(portage.dep.paren_enclose(reduced)), frozenset())


@many
@given(trees(ATOMS, ("||",)), MODERN, USE)
@example("|| ( a? ( x/a ) )", "6", frozenset())
@example("|| ( a? ( x/a ) )", "7", frozenset())
@example("|| ( x/a ( || ( x/b x/c ) ) )", "8", frozenset())
@example("|| ( ( || ( ( x/b x/c ) ) ) )", "8", frozenset())
@example("a? ( b? ( x/a[a?] ) ) ( ( x/b ) )", "8", frozenset("ab"))
def test_dependencies_reduce_to_the_same(text, eapi, use):
    theirs = use_reduce(text, eapi, uselist=use)
    ours = accepted(parse_depend, text, eapi)
    assert (ours is None) == (theirs is None)
    if ours is None:
        return
    assert str(ours) == text
    reduced = evaluate(ours, use, eapi)
    assert as_text(reduced) == str(plain(theirs))
    assert evaluate(reduced, use, eapi) == reduced


@many
@given(token_soup(ATOMS), EAPIS)
@example("( )", "8")
@example("|| ( )", "6")
@example("|| (", "8")
@example("|| || ( a/b )", "8")
@example("a? a/b", "8")
@example("-a? ( a/b )", "8")
@example("a/b -> c", "8")
@example("(a/b)", "8")
def test_the_same_texts_are_dependencies(text, eapi):
    theirs = use_reduce(text, eapi, matchall=True)
    assert (accepted(parse_depend, text, eapi) is None) == (theirs is None)


def check_required_use(text, use, eapi):
    known = frozenset(["a", "b", "c", "x86", "py_3-12", "a+b", "f@g"])
    return accepted(portage.dep.check_required_use, text, use, known.__contains__, eapi=eapi)


@many
@given(
    trees(FLAG_LEAVES, ("||", "^^", "??"), empty=True),
    st.sampled_from(["4", "5", "6", "7", "8", "9"]),
    USE,
)
@example("|| ( )", "6", frozenset())
@example("|| ( )", "7", frozenset())
@example("^^ ( )", "7", frozenset())
@example("|| ( ( ) )", "7", frozenset())
@example("|| ( a? ( ) )", "7", frozenset("a"))
@example("^^ ( a? ( b ) c )", "8", frozenset("c"))
@example("?? ( a b )", "4", frozenset())
def test_required_use_is_satisfied_by_the_same_flags(text, eapi, use):
    theirs = check_required_use(text, use, eapi)
    ours = accepted(parse_required_use, text, eapi)
    assert (ours is None) == (theirs is None)
    if ours is None:
        return
    assert str(ours) == text
    assert is_satisfied(ours, use, eapi) == bool(theirs)
    assert (broken_rules(ours, use, eapi) == ()) == bool(theirs)


@many
@given(token_soup(FLAG_LEAVES), MODERN)
def test_the_same_texts_are_required_use(text, eapi):
    theirs = check_required_use(text, frozenset(), eapi)
    if "->" in text.split():
        theirs = None  # to Portage a flag that no IUSE has; its IUSE here has none such either
    assert (accepted(parse_required_use, text, eapi) is None) == (theirs is None)


@many
@given(trees(URIS, ()) | token_soup(URIS), EAPIS, USE)
@example("a -> b/c", "8", frozenset())
@example("a ->", "8", frozenset())
@example("a -> ( b )", "8", frozenset())
def test_source_uris_are_the_same(text, eapi, use):
    def reduce():
        return portage.dep.use_reduce(text, eapi=eapi, uselist=use, is_src_uri=True, flat=True)

    theirs = accepted(reduce)
    ours = accepted(parse_src_uri, text, eapi)
    if ours is None and theirs is not None:
        # What Portage refuses only when it fetches: arrows without a URI, operators as names.
        assert arrow_without_uri(text.split()) or {"^^", "??"} & set(text.split())
        return
    assert (ours is None) == (theirs is None)
    if ours is not None:
        assert " ".join(map(str, leaves(evaluate(ours, use, eapi)))).split() == theirs


def arrow_without_uri(tokens):
    names = {"(", ")", "->", "||"}
    return any(
        token == "->" and (at == 0 or tokens[at - 1] in names or tokens[at - 2 : at - 1] == ["->"])
        for at, token in enumerate(tokens)
    )


@many
@given(trees(st.sampled_from(["GPL-2", "GPL-2+", "0BSD", "_x", "a.b"]), ("||",)), MODERN, USE)
def test_licences_are_the_same(text, eapi, use):
    theirs = portage.dep.use_reduce(text, eapi=eapi, uselist=use, flat=True)
    ours = parse_license(text, eapi)
    assert str(ours) == text
    words = [word for word in theirs if word != "||"]
    assert list(leaves(evaluate(ours, use, eapi))) == words


@many
@given(trees(st.sampled_from(["test", "mirror", "live", "test_network"]), ()), MODERN, USE)
def test_restrictions_and_properties_are_the_same(text, eapi, use):
    theirs = portage.dep.use_reduce(text, eapi=eapi, uselist=use, flat=True)
    for parse in parse_restrict, parse_properties:
        assert list(leaves(evaluate(parse(text, eapi), use, eapi))) == theirs


def test_an_any_of_group_that_became_empty_is_satisfied_by_nothing_since_eapi_7():
    tree = parse_depend("|| ( a? ( x/a ) )", "7")
    assert portage.dep.use_reduce("|| ( a? ( x/a ) )", eapi="7") == [NO_PACKAGE]
    assert evaluate(tree, frozenset(), "7") == AllOf((AnyOf(()),))

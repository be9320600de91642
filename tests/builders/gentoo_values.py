"""Generated Gentoo values, near enough to the rules that both sides of each rule occur."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

EAPIS = st.sampled_from([str(number) for number in range(10)])
FLAGS = st.sampled_from(["a", "b", "c", "x86", "py_3-12", "a+b", "f@g"])
USE = st.frozensets(FLAGS)

_NUMBER = st.sampled_from(["0", "1", "2", "9", "10", "00", "01", "010", "100", "001", "20260101"])
_SUFFIX = st.builds(
    "_{}{}".format,
    st.sampled_from(["alpha", "beta", "pre", "rc", "p"]),
    st.sampled_from(["", "0", "1", "01", "2", "10"]),
)
_REVISION = st.sampled_from(["", "", "-r0", "-r1", "-r01", "-r2", "-r10"])

VERSIONS = st.builds(
    "{}{}{}{}".format,
    st.lists(_NUMBER, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "", "", "a", "b", "z"]),
    st.lists(_SUFFIX, max_size=2).map("".join),
    _REVISION,
)
NAMES = st.sampled_from(["foo", "foo-bar", "a", "gtk+", "foo-1-bar", "foo-r1", "foo_", "foo-"])
CATEGORIES = st.sampled_from(["sys-fs", "dev-lang", "a", "c++", "x.y", "_"])
SLOTS = st.sampled_from(["0", "1", "1.2", "3.11", "a+b", "_x"])
REPOS = st.sampled_from(["gentoo", "my-overlay", "x_"])


def _default(word: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.builds("{}{}".format, word, st.sampled_from(["", "", "(+)", "(-)"]))


_USE_DEP = st.builds(
    "{0[0]}{1}{0[1]}".format,
    st.sampled_from([("", ""), ("-", ""), ("", "?"), ("!", "?"), ("", "="), ("!", "=")]),
    _default(FLAGS),
)
_SLOT_PART = st.builds(
    ":{}{}{}".format,
    SLOTS,
    st.just("") | SLOTS.map("/{}".format),
    st.sampled_from(["", "="]),
) | st.sampled_from([":=", ":*"])
_VERSIONED = st.builds(
    "{}{}/{}-{}".format,
    st.sampled_from(["=", "~", "<", "<=", ">", ">="]),
    CATEGORIES,
    NAMES,
    VERSIONS,
) | st.builds("={}/{}-{}*".format, CATEGORIES, NAMES, VERSIONS)

ATOMS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "", "!", "!!"]),
    _VERSIONED | st.builds("{}/{}".format, CATEGORIES, NAMES),
    st.just("") | _SLOT_PART,
    st.just("") | st.lists(_USE_DEP, min_size=1, max_size=3).map(lambda d: f"[{','.join(d)}]"),
)
"""Atoms that EAPI 8 allows, but for a flag that occurs with two defaults."""

_PIECES = st.sampled_from(
    [
        "!",
        "=",
        "~",
        "<",
        ">",
        "*",
        "/",
        ":",
        "::",
        "[",
        "]",
        ",",
        "(+)",
        "(-)",
        "?",
        "-",
        ".",
        "+",
        "_",
        "@",
        "-r1",
        "-1",
        "1.2",
        "_p1",
        "a",
        "b",
        "foo",
        "sys-fs",
        "0",
        "é",
        " ",
    ]
)


@st.composite
def near_atoms(draw: st.DrawFn) -> str:
    """Return an atom with a piece put in, taken out, or doubled; or just pieces."""
    if draw(st.integers(0, 3)) == 0:
        return "".join(draw(st.lists(_PIECES, min_size=1, max_size=8)))
    text = draw(ATOMS)
    at = draw(st.integers(0, len(text)))
    end = draw(st.integers(at, min(len(text), at + 3)))
    return text[:at] + draw(st.just("") | _PIECES) + text[end:]


def trees(
    leaf: SearchStrategy[str], operators: tuple[str, ...], *, empty: bool = False
) -> SearchStrategy[str]:
    """Return texts of dependency-style values: groups nested around leaves."""
    prefix = st.sampled_from(["", *(f"{operator} " for operator in operators)]) | st.builds(
        "{}{}? ".format, st.sampled_from(["", "!"]), FLAGS
    )
    smallest = 0 if empty else 1

    def group(item: SearchStrategy[str]) -> SearchStrategy[str]:
        inner = st.lists(item, min_size=smallest, max_size=4)
        return st.builds(
            lambda before, items: f"{before}{' '.join(['(', *items, ')'])}", prefix, inner
        )

    return st.lists(st.recursive(leaf, group, max_leaves=12), max_size=4).map(" ".join)


def token_soup(leaf: SearchStrategy[str]) -> SearchStrategy[str]:
    """Return tokens in any order, most of which fit together nowhere."""
    token = st.sampled_from(["(", ")", "(", ")", "||", "^^", "??", "a?", "!b?", "->", "( )"]) | leaf
    return st.lists(token, max_size=8).map(" ".join)

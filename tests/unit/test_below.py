"""Extensions below this one: of them only CONTENTS of their packages is known."""

import pytest

from sysextlib.binpkg.contents import Owned, owned_by
from sysextlib.check.below import check_below
from sysextlib.tree import Tree, file_entry, link_entry
from tests.builders.base import tree_of
from tests.builders.merged import keys


def below(*owned):
    return {item.path: ("a/below-1", item) for item in owned}


def check(ours, *theirs):
    return [finding.key for finding in check_below(Tree([ours]), below(*owned_by(theirs)))]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (file_entry("usr/bin/x", b"1"), file_entry("usr/bin/x", b"2")),
        (file_entry("usr/bin/x", b"1"), link_entry("usr/bin/x", "y")),
        (link_entry("usr/bin/x", "z"), link_entry("usr/bin/x", "y")),
    ],
)
def test_a_path_that_an_extension_below_has_otherwise_is_an_error(ours, theirs):
    assert check(ours, theirs) == ["hides-below:usr/bin/x"]


@pytest.mark.parametrize("same", [file_entry("usr/x", b"1"), link_entry("usr/x", "y")])
def test_what_an_extension_below_has_too_harms_nobody(same):
    assert check(same, same) == []


def test_directories_and_other_paths_meet_nothing():
    tree = tree_of({"usr/share/x": b"1"})
    theirs = below(*owned_by(tree_of({"usr/share/y": b"2"})))
    assert list(check_below(tree, theirs)) == []


def test_the_finding_names_both_sides():
    (finding,) = check_below(
        Tree([file_entry("usr/x", b"1", origin="c/d-2")]),
        below(Owned(kind="obj", path="usr/x", md5="0" * 32)),
    )
    assert finding.message.startswith("c/d-2 brings it, and a/below-1 of an extension below")


def test_what_an_extension_below_is_known_to_have_is_not_missing():
    theirs = below(
        Owned(kind="obj", path="usr/lib/there", md5="0" * 32),
        Owned(kind="sym", path="usr/lib/link", target="there"),
        Owned(kind="dir", path="usr/lib"),
    )
    ours = {"usr/a": "lib/there", "usr/b": "lib/link", "usr/c": "lib/nowhere"}
    assert keys(ours, owned=theirs) == ["warning dangling-link:usr/c"]

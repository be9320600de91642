from pathlib import Path

import pytest

from sysextlib.tree import (
    Content,
    Entry,
    InvalidTreeError,
    Kind,
    Tree,
    directory_entry,
    file_entry,
    glob_regex,
    length_prefixed,
    link_entry,
)


def paths(tree: Tree) -> list[str]:
    return [entry.path for entry in tree]


def test_entries_come_in_the_order_of_their_path_components():
    tree = Tree([file_entry("a-b", b""), file_entry("a/b", b""), file_entry("a/a/c", b"")])
    assert paths(tree) == ["a", "a/a", "a/a/c", "a/b", "a-b"]


def test_a_missing_parent_is_added_with_the_mtime_of_its_child():
    parent = Tree([file_entry("usr/bin/x", b"", mtime=7)])["usr/bin"]
    assert (parent.kind, parent.mode, parent.uid, parent.mtime) == (Kind.DIRECTORY, 0o755, 0, 7)


def test_the_order_in_which_entries_were_given_does_not_change_the_tree():
    entries = [file_entry(f"usr/{name}/f", b"x", mtime=n) for n, name in enumerate("cab")]
    assert Tree(entries) == Tree(reversed(entries))
    assert Tree(entries).digest() == Tree(reversed(entries)).digest()


@pytest.mark.parametrize("path", ["", "/etc", "a//b", "a/../b", "./a", "a/", "..", "a\0b"])
def test_a_path_that_is_not_below_the_root_is_refused(path):
    with pytest.raises(InvalidTreeError):
        Tree([file_entry(path, b"")])


def test_a_path_below_a_file_or_link_is_refused():
    with pytest.raises(InvalidTreeError, match="lies below"):
        Tree([link_entry("lib", "usr/lib"), file_entry("lib/x", b"")])


def test_one_path_twice_is_refused():
    with pytest.raises(InvalidTreeError, match="two entries"):
        Tree([file_entry("a", b""), file_entry("a", b"")])


def test_removing_a_directory_removes_what_lies_below():
    tree = Tree([file_entry("usr/a/b", b""), file_entry("usr/ab", b"")])
    assert paths(tree.without(["usr/a"])) == ["usr", "usr/ab"]


def test_selected_entries_keep_their_own_parents():
    tree = Tree(
        [directory_entry("usr", mode=0o700), file_entry("usr/a", b""), file_entry("b", b"")]
    )
    kept = tree.select(lambda e: e.path == "usr/a")
    assert paths(kept) == ["usr", "usr/a"]
    assert kept["usr"].mode == 0o700


def test_mtimes_after_the_epoch_are_clamped_and_older_ones_kept():
    tree = Tree([file_entry("a", b"", mtime=5), file_entry("b", b"", mtime=50)]).clamped(10)
    assert [entry.mtime for entry in tree] == [5, 10]


def test_any_difference_changes_the_digest():
    base = Entry(path="a", kind=Kind.FILE, mode=0o644, content=Content.of(b"1"))
    others = [
        Entry(path="b", kind=Kind.FILE, mode=0o644, content=Content.of(b"1")),
        Entry(path="a", kind=Kind.FIFO, mode=0o644),
        Entry(path="a", kind=Kind.FILE, mode=0o600, content=Content.of(b"1")),
        Entry(path="a", kind=Kind.FILE, mode=0o644, uid=1, content=Content.of(b"1")),
        Entry(path="a", kind=Kind.FILE, mode=0o644, gid=1, content=Content.of(b"1")),
        Entry(path="a", kind=Kind.FILE, mode=0o644, mtime=1, content=Content.of(b"1")),
        Entry(path="a", kind=Kind.FILE, mode=0o644, content=Content.of(b"2")),
        Entry(path="a", kind=Kind.FILE, mode=0o644, content=Content.of(b"1"), hardlink="x"),
        Entry(
            path="a",
            kind=Kind.FILE,
            mode=0o644,
            content=Content.of(b"1"),
            xattrs=(("user.x", b""),),
        ),
    ]
    digests = {Tree([entry]).digest() for entry in [base, *others]}
    assert len(digests) == len(others) + 1


def test_who_brought_an_entry_is_no_part_of_the_value():
    one, two = (file_entry("a", b"", origin=origin) for origin in ("x/y-1", "definition"))
    assert one == two


def test_fields_cannot_run_into_each_other():
    assert length_prefixed([b"ab"]) != length_prefixed([b"a", b"b"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("pattern", "match", "no_match"),
    [
        ("usr/*/x", ["usr/a/x"], ["usr/a/b/x", "usr/x"]),
        ("usr/**/tests", ["usr/tests", "usr/a/b/tests"], ["usr/atests", "tests"]),
        ("usr/**", ["usr/a", "usr/a/b"], ["usr", "usrx/a"]),
        (
            "usr/lib/python3.[0-9]*",
            ["usr/lib/python3.13"],
            ["usr/lib/python3x1", "usr/lib/python3.x"],
        ),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("a[!b]c", ["axc"], ["abc", "a/c"]),
        ("a.b", ["a.b"], ["axb"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a[^b]c", ["axc"], ["abc", "a/c"]),
        ("a[.-0]c", ["a.c", "a0c"], ["a/c"]),
        ("a[!]c", ["a!c"], ["axc"]),
        ("a[b&&c]", ["a&", "ab", "ac"], ["ad"]),
        ("a[[b]", ["a[", "ab"], ["ac"]),
        ("a[b\\d]", ["a\\", "ad"], ["a1"]),
    ],
)
def test_globs_stay_within_a_part_and_double_stars_cross_parts(pattern, match, no_match):
    regex = glob_regex(pattern)
    assert [p for p in match if not regex.fullmatch(p)] == []
    assert [p for p in no_match if regex.fullmatch(p)] == []


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(InvalidTreeError, match="bad character range"):
        glob_regex("usr/[z-a]")


def test_content_is_read_from_its_slice_of_the_spool(tmp_path: Path):
    spool = tmp_path / "spool"
    spool.write_bytes(b"xxhelloyy")
    content = Content(5, "", spool=spool, offset=2)
    assert content.read() == b"hello"


def test_a_spool_file_that_was_cut_short_is_noticed(tmp_path: Path):
    spool = tmp_path / "spool"
    spool.write_bytes(b"xxhe")
    with pytest.raises(EOFError):
        Content(5, "", spool=spool, offset=2).read()

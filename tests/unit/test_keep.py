from dataclasses import replace

import pytest

from sysextlib.errors import MergeConflictError
from sysextlib.install.keep import keep_new, only_etc, only_usr
from sysextlib.tree import Entry, Kind, Tree, directory_entry, file_entry, link_entry
from tests.builders.base import TreeBase, tree_of

BASE = tree_of(
    {
        "bin": "usr/bin",
        "usr/bin/bash": b"bash",
        "usr/lib64/libz.so": "libz.so.1",
        "usr/lib64/libz.so.1": b"zlib",
        "usr/lib": "lib64",
        "usr/share/doc": None,
    },
    directory_entry("usr/share", mode=0o711),
)


def kept_paths(tree, may_replace=()):
    return [entry.path for entry in keep_new(tree, TreeBase(BASE), may_replace).tree]


def test_what_the_base_has_too_is_left_out_whatever_its_mtime():
    tree = tree_of({"usr/bin/bash": b"bash", "usr/bin/new": b"new"})
    tree = tree.updated([replace(tree["usr/bin/bash"], mtime=99)])
    kept = keep_new(tree, TreeBase(BASE))
    assert [entry.path for entry in kept.tree] == ["usr", "usr/bin", "usr/bin/new"]
    assert kept.identical == ("usr/bin/bash",)


def test_leading_directories_carry_the_bases_metadata():
    kept = keep_new(tree_of({"usr/share/new": b""}), TreeBase(BASE))
    assert kept.tree["usr/share"] == BASE["usr/share"]


def test_a_new_directory_stays_even_when_empty_and_an_old_one_goes():
    assert kept_paths(tree_of({"usr/share/doc": None, "usr/share/fresh": None})) == [
        "usr",
        "usr/share",
        "usr/share/fresh",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": 0o4755}, "mode 4755 and 0755"),
        ({"uid": 7}, "owner 7:0 and 0:0"),
        ({"xattrs": (("security.capability", b"x"),)}, "xattr security.capability"),
    ],
)
def test_different_metadata_of_an_old_file_is_refused(change, said):
    tree = Tree([replace(BASE["usr/bin/bash"], origin="a/b-1", **change)])
    with pytest.raises(MergeConflictError) as caught:
        keep_new(tree, TreeBase(BASE, {"usr/bin/bash": "app-shells/bash-5"}))
    assert caught.value.facts == {"/usr/bin/bash": f"a/b-1 and base (app-shells/bash-5): {said}"}


def test_labels_of_the_base_are_not_compared():
    labelled = replace(BASE["usr/bin/bash"], xattrs=(("security.selinux", b"x"),))
    assert len(keep_new(Tree([BASE["usr/bin/bash"]]), TreeBase(Tree([labelled]))).tree) == 0


def test_all_conflicts_are_named_at_once():
    tree = tree_of({"usr/bin/bash": b"BASH", "usr/lib64/libz.so": "other", "usr/share/doc": b"x"})
    with pytest.raises(MergeConflictError, match="3 paths differ") as caught:
        keep_new(tree, TreeBase(BASE))
    assert list(caught.value.facts) == ["/usr/bin/bash", "/usr/lib64/libz.so", "/usr/share/doc"]


def test_may_replace_lets_a_path_win_and_an_unused_glob_is_told():
    tree = tree_of({"usr/bin/bash": b"BASH"})
    kept = keep_new(tree, TreeBase(BASE), ["usr/bin/*", "usr/share/**"])
    assert kept.tree["usr/bin/bash"].content == tree["usr/bin/bash"].content
    assert [finding.key for finding in kept.findings] == ["unused-may-replace:usr/share/**"]


def test_a_directorys_other_mode_is_told_and_does_not_reach_the_merged_system():
    tree = tree_of({"usr/share/new": b""}, directory_entry("usr/share", mode=0o755))
    kept = keep_new(tree, TreeBase(BASE))
    assert kept.tree["usr/share"].mode == 0o711
    assert [finding.key for finding in kept.findings] == ["directory-differs:usr/share"]


def test_a_directorys_other_mode_is_kept_where_the_definition_allows():
    tree = Tree([directory_entry("usr/share", mode=0o755)])
    assert keep_new(tree, TreeBase(BASE), ["usr/share"]).tree["usr/share"].mode == 0o755


def test_a_whiteout_is_refused_even_where_replacing_is_allowed():
    whiteout = Entry(path="usr/bin/bash", kind=Kind.CHARDEV, mode=0, device=(0, 0))
    with pytest.raises(MergeConflictError, match="bash") as caught:
        keep_new(Tree([whiteout]), TreeBase(BASE), ["**"])
    assert "whiteout" in str(caught.value)


@pytest.mark.parametrize("path", ["usr/bin", "usr/new"])
@pytest.mark.parametrize("name", ["trusted.overlay.opaque", "user.overlay.redirect"])
def test_an_attribute_of_overlayfs_is_refused_on_old_and_new_directories(path, name):
    folder = replace(directory_entry(path), xattrs=((name, b"y"),))
    with pytest.raises(MergeConflictError) as caught:
        keep_new(Tree([folder]), TreeBase(BASE), ["**"])
    assert name in str(caught.value)


def test_a_directory_is_followed_through_the_bases_symlink():
    kept = keep_new(tree_of({"usr/lib/libz.so.1": b"zlib", "usr/lib/new.so": b"n"}), TreeBase(BASE))
    assert [entry.path for entry in kept.tree] == ["usr", "usr/lib64", "usr/lib64/new.so"]
    assert kept.identical == ("usr/lib64/libz.so.1",)


def test_two_ways_to_one_path_must_agree():
    tree = tree_of({"usr/lib/a": b"1", "usr/lib64/a": b"2"})
    with pytest.raises(MergeConflictError, match="usr/lib64/a"):
        keep_new(tree, TreeBase(BASE))
    same = tree_of({"usr/lib/a": b"1", "usr/lib64/a": b"1"})
    assert [e.path for e in keep_new(same, TreeBase(BASE)).tree] == [
        "usr",
        "usr/lib64",
        "usr/lib64/a",
    ]


def test_a_symlink_in_place_of_a_directory_is_refused_unless_it_leads_to_itself():
    with pytest.raises(MergeConflictError, match="usr/share/doc"):
        keep_new(Tree([link_entry("usr/share/doc", "elsewhere")]), TreeBase(BASE))
    kept = keep_new(Tree([link_entry("usr/share/doc", "/usr/share/doc")]), TreeBase(BASE))
    assert len(kept.tree) == 0


def test_a_loop_of_symlinks_is_an_error_and_not_a_hang():
    base = TreeBase(tree_of({"usr/a": "b", "usr/b": "a"}))
    with pytest.raises(MergeConflictError, match="usr/a"):
        keep_new(tree_of({"usr/a/x": b""}), base)


def test_replacements_that_do_not_fit_together_are_an_error():
    tree = tree_of({"usr/lib/new": b"", "usr/lib64": b"a file"})
    with pytest.raises(MergeConflictError, match="may_replace"):
        keep_new(tree, TreeBase(BASE), ["**"])


def test_only_files_that_look_alike_are_read():
    base = TreeBase(BASE)
    with pytest.raises(MergeConflictError):
        keep_new(tree_of({"usr/bin/bash": b"longer", "usr/lib64/libz.so.1": b"ZLIB"}), base)
    assert base.read == ["usr/lib64/libz.so.1"]


def test_what_lies_outside_usr_waits_for_the_edits():
    assert "etc/new.conf" in kept_paths(tree_of({"etc/new.conf": b"", "usr/bin/x": b""}))


def test_only_usr_names_everything_else_but_directories_that_hold_something():
    tree = tree_of(
        {"etc/a/conf": b"", "opt/x": b"", "usr/x": b"", "var/empty": None}, origin="a/b-1"
    )
    kept = only_usr(tree)
    assert [entry.path for entry in kept.tree] == ["usr", "usr/x"]
    assert [(drop.path, drop.origin) for drop in kept.dropped] == [
        ("etc/a/conf", "a/b-1"),
        ("opt/x", "a/b-1"),
        ("var/empty", "a/b-1"),
    ]
    assert all(drop.reason for drop in kept.dropped)


def test_a_large_comparison_takes_a_moment_only():
    base = TreeBase(tree_of({f"usr/share/d{i % 100}/f{i}": b"%d" % i for i in range(10_000)}))
    new = [file_entry(f"usr/share/d{i % 100}/f{i}", b"%d" % i) for i in range(9_000, 11_400)]
    tree = Tree(new)
    kept = keep_new(tree, base)
    assert len(kept.identical) == 1000  # 0.05 s here; a quadratic comparison takes minutes


def test_etc_is_compared_by_the_same_rules_when_asked_for():
    base = TreeBase(tree_of({"etc/a": b"a", "etc/b": b"b", "etc/link": "d", "etc/d": None}))
    tree = tree_of({"etc/a": b"a", "etc/b": b"B", "etc/new": b"", "usr/bin/x": b""})
    kept = keep_new(tree, base, ["etc/b"], top="etc")
    assert [entry.path for entry in kept.tree] == [
        *("etc", "etc/b", "etc/new"),
        *("usr", "usr/bin", "usr/bin/x"),
    ]
    with pytest.raises(MergeConflictError, match="/etc/b differs"):
        keep_new(tree, base, top="etc")
    through = keep_new(tree_of({"etc/link/e": b""}), base, top="etc")
    assert "etc/d/e" in through.tree


def test_only_etc_is_empty_unless_etc_holds_something():
    assert len(only_etc(tree_of({"etc": None, "usr/x": b""}))) == 0
    assert [e.path for e in only_etc(tree_of({"etc/x": b"", "usr/x": b""}))] == ["etc", "etc/x"]


def test_what_another_image_holds_is_not_named_as_dropped():
    tree = tree_of({"etc/a": b"", "etcetera": b"", "usr/x": b""})
    assert [one.path for one in only_usr(tree, other="etc").dropped] == ["etcetera"]

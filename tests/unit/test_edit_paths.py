"""Removing, copying and moving what packages brought."""

from dataclasses import replace

import pytest

from sysextlib.edit.changes import Change
from sysextlib.edit.paths import keep_only, remove, transfer
from sysextlib.errors import EditError
from sysextlib.toml_reader import Glob, TreePath
from sysextlib.tree import Tree, file_entry
from sysextlib.verbs import KeepOnly, Remove, Transfer
from tests.builders.definition import tree_of


def globs(*texts: str) -> tuple[Glob, ...]:
    return tuple(Glob(text) for text in texts)


def paths(tree: Tree) -> set[str]:
    return {entry.path for entry in tree}


def move(path: str, **keys: str) -> Transfer:
    places = {key: TreePath(value) for key, value in keys.items()}
    return Transfer(path=Glob(path), **places)


def test_remove_takes_a_folder_with_all_below_it_and_logs_it_once():
    tree = tree_of("usr/lib/debug/a/b", "usr/lib/x", "usr/lib/debug2")
    edited = remove(tree, Remove(paths=globs("usr/lib/debug")), {})
    assert paths(edited.tree) == {"usr", "usr/lib", "usr/lib/x", "usr/lib/debug2"}
    assert edited.log == (Change("usr/lib/debug", "remove"),)


def test_remove_wants_a_match_for_every_glob():
    with pytest.raises(EditError, match="remove found no usr/b") as caught:
        remove(tree_of("usr/a"), Remove(paths=globs("usr/a", "usr/b")), {})
    assert "optional = true" in caught.value.hint


def test_optional_removal_takes_what_is_there():
    edited = remove(tree_of("usr/a"), Remove(paths=globs("usr/a", "usr/b"), optional=True), {})
    assert paths(edited.tree) == {"usr"}


def test_a_set_needs_one_match_not_all():
    sets = {"dev": globs("usr/include", "usr/share/aclocal")}
    edited = remove(tree_of("usr/include/a.h", "usr/b"), Remove(set="dev"), sets)
    assert paths(edited.tree) == {"usr", "usr/b"}
    assert edited.log == (Change("usr/include", "remove", "dev"),)
    with pytest.raises(EditError, match="remove found no dev"):
        remove(tree_of("usr/b"), Remove(set="dev"), sets)


def test_a_slash_at_the_end_is_for_folders_alone():
    tree = tree_of("usr/lib/python3/a/test/x", "usr/lib/python3/b/test", "usr/lib/python3/test/y")
    edited = remove(tree, Remove(paths=globs("usr/lib/python*/**/test/")), {})
    assert {p for p in paths(edited.tree) if p.endswith("test")} == {"usr/lib/python3/b/test"}
    assert len(edited.log) == 2


def test_keep_only_keeps_matches_what_is_below_and_what_leads_there():
    tree = tree_of("usr/lib/a/b/c", "usr/lib/a/d", "usr/lib/e", "usr/bin/f")
    edited = keep_only(tree, KeepOnly(below=TreePath("usr/lib"), paths=globs("usr/lib/a/b")))
    assert paths(edited.tree) == {
        "usr", "usr/bin", "usr/bin/f", "usr/lib", "usr/lib/a", "usr/lib/a/b", "usr/lib/a/b/c",
    }  # fmt: skip
    with pytest.raises(EditError, match="keep_only found no"):
        keep_only(tree, KeepOnly(below=TreePath("usr"), paths=globs("usr/none")))


def test_move_puts_a_folder_elsewhere_with_its_origin():
    tree = tree_of("etc/vmware/a", "etc/vmware/b/c", "usr/bin/x")
    edited = transfer(tree, move("etc/vmware", to="usr/share/oem/vmware"), "move")
    assert {p for p in paths(edited.tree) if "oem" in p} == {
        "usr/share/oem", "usr/share/oem/vmware", "usr/share/oem/vmware/a",
        "usr/share/oem/vmware/b", "usr/share/oem/vmware/b/c",
    }  # fmt: skip
    assert "etc/vmware" not in edited.tree
    assert edited.tree["usr/share/oem/vmware/a"].origin == "app-misc/a-1"
    assert edited.log == (Change("usr/share/oem/vmware", "move", "from etc/vmware"),)


def test_copy_leaves_the_original_and_joins_a_folder_that_is_there():
    tree = tree_of("etc/systemd/system/a.service", "usr/lib/systemd/system/b.service")
    edited = transfer(tree, move("etc/systemd/system", to="usr/lib/systemd/system"), "copy")
    assert {"etc/systemd/system/a.service", "usr/lib/systemd/system/a.service"} <= paths(
        edited.tree
    )
    assert "usr/lib/systemd/system/b.service" in edited.tree


def test_into_gives_each_match_its_own_name():
    edited = transfer(tree_of("etc/a.conf", "etc/b.conf"), move("etc/*.conf", into="usr/x"), "move")
    assert paths(edited.tree) == {"etc", "usr", "usr/x", "usr/x/a.conf", "usr/x/b.conf"}


def test_one_path_for_several_matches_is_refused():
    with pytest.raises(EditError, match="2 matches"):
        transfer(tree_of("etc/a", "etc/b"), move("etc/*", to="usr/x"), "copy")


def test_a_taken_place_is_refused_and_an_equal_file_is_not():
    tree = tree_of("etc/a", "usr/a")
    with pytest.raises(EditError, match=r"another file is there"):
        transfer(tree, move("etc/a", to="usr/a"), "move")
    same = tree_of("etc/a", "usr/a", **{"usr/a": "etc/a"})
    assert paths(transfer(same, move("etc/a", to="usr/a"), "move").tree) == {"etc", "usr", "usr/a"}


def test_a_folder_cannot_go_below_itself():
    with pytest.raises(EditError, match="below itself"):
        transfer(tree_of("usr/a/b"), move("usr/a", to="usr/a/c"), "copy")


def test_copies_of_linked_files_are_linked_to_each_other_only():
    one = file_entry("etc/a/1", b"x")
    tree = Tree([replace(one, hardlink="t"), replace(one, path="etc/a/2", hardlink="t")])
    copied = transfer(tree, move("etc/a", to="usr/a"), "copy").tree
    assert copied["usr/a/1"].hardlink == copied["usr/a/2"].hardlink != copied["etc/a/1"].hardlink
    moved = transfer(tree, move("etc/a", to="usr/a"), "move").tree
    assert moved["usr/a/1"].hardlink == moved["usr/a/2"].hardlink == "t"


def test_a_transfer_that_matches_nothing_is_an_error_unless_optional():
    with pytest.raises(EditError, match="move found no etc/b"):
        transfer(tree_of("etc/a"), move("etc/b", to="usr/b"), "move")
    order = Transfer(path=Glob("etc/b"), to=TreePath("usr/b"), optional=True)
    assert transfer(tree_of("etc/a"), order, "move").log == ()

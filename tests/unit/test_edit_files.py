"""Edits that write: files, links, lines, and what systemd reads."""

from dataclasses import replace

import pytest

from sysextlib.definition import KernelModules, SysextDef
from sysextlib.edit.apply import ORDER, apply_edits
from sysextlib.errors import EditError
from sysextlib.toml_reader import Glob, TreePath, toml_keys
from sysextlib.tree import Kind, Tree, file_entry
from sysextlib.verbs import (
    Append,
    Remove,
    Symlink,
    Sysusers,
    Tmpfiles,
    Transfer,
    Upholds,
    VendorEtc,
    VendorHow,
    Write,
)
from tests.builders.definition import CONTEXT, EPOCH, sysext, tree_of

UNIT = "usr/lib/systemd/system/"


def edit(tree: Tree, **keys: object) -> Tree:
    return apply_edits(tree, sysext(**keys), CONTEXT).tree


def text(tree: Tree, path: str) -> str:
    content = tree[path].content
    assert content is not None
    return content.read().decode()


def test_files_of_the_definition_are_written_with_the_builds_time():
    files = Tree([file_entry("usr/bin/a", b"x", mode=0o755, origin="definition")])
    tree = edit(tree_of("usr/lib/b"), files=files)
    assert (tree["usr/bin/a"].mode, tree["usr/bin/a"].mtime) == (0o755, EPOCH)


def test_a_packages_file_is_replaced_only_when_the_definition_says_so():
    files = Tree([file_entry("usr/bin/a", b"ours")])
    with pytest.raises(EditError, match="would take the place of the file usr/bin/a") as caught:
        edit(tree_of("usr/bin/a"), files=files)
    assert caught.value.facts["brought by"] == "app-misc/a-1"
    replaced = edit(tree_of("usr/bin/a"), files=files, replace=(TreePath("usr/bin/a"),))
    assert text(replaced, "usr/bin/a") == "ours"


def test_a_folder_is_never_replaced():
    write = Write(path=TreePath("usr/bin"), text="x")
    with pytest.raises(EditError, match="the directory usr/bin"):
        edit(tree_of("usr/bin/a"), write=(write,), replace=(TreePath("usr/bin"),))


def test_the_files_folder_leaves_the_modes_of_packages_folders():
    tree = tree_of("usr/share/a/b")
    tree = tree.updated([replace(tree["usr/share/a"], mode=0o700)])
    edited = edit(tree, files=Tree([file_entry("usr/share/a/c", b"")]))
    assert edited["usr/share/a"].mode == 0o700


def test_write_and_symlink_make_what_they_say():
    write = Write(path=TreePath("usr/lib/userdb/core:x.membership"), text=" \n", mode=0o600)
    link = Symlink(path=TreePath("usr/bin/eject"), target="/usr/bin/true")
    tree = edit(tree_of("usr/bin/x"), write=(write,), symlink=(link,))
    assert text(tree, "usr/lib/userdb/core:x.membership") == " \n"
    assert tree["usr/lib/userdb/core:x.membership"].mode == 0o600
    assert (tree["usr/bin/eject"].kind, tree["usr/bin/eject"].target) == (
        Kind.SYMLINK,
        "/usr/bin/true",
    )


def test_append_ends_the_last_line_first_and_cuts_hard_links():
    entry = replace(file_entry("usr/a", b"one"), hardlink="t", mode=0o640)
    tree = edit(Tree([entry]), append=(Append(path=TreePath("usr/a"), lines=("two",)),))
    assert text(tree, "usr/a") == "one\ntwo\n"
    assert (tree["usr/a"].mode, tree["usr/a"].hardlink) == (0o640, "")


def test_append_to_nothing_is_an_error_unless_optional():
    with pytest.raises(EditError, match="append found no usr/b"):
        edit(tree_of("usr/a"), append=(Append(path=TreePath("usr/b"), lines=("x",)),))
    order = Append(path=TreePath("usr/b"), lines=("x",), optional=True)
    assert "usr/b" not in edit(tree_of("usr/a"), append=(order,))


def test_append_to_a_folder_is_refused():
    with pytest.raises(EditError, match="cannot be appended to usr"):
        edit(tree_of("usr/a"), append=(Append(path=TreePath("usr"), lines=("x",)),))


def test_tmpfiles_and_sysusers_go_to_files_that_bear_the_key():
    tree = edit(
        tree_of("usr/a"),
        tmpfiles=(Tmpfiles(lines=("d /var/lib/x 0755 root root - -",)),),
        sysusers=(Sysusers(lines=("g x 300",)), Sysusers(lines=("u x 300",))),
    )
    assert text(tree, "usr/lib/tmpfiles.d/10-demo.conf") == "d /var/lib/x 0755 root root - -\n"
    assert text(tree, "usr/lib/sysusers.d/10-demo.conf") == "g x 300\nu x 300\n"


def test_vendored_defaults_leave_etc_and_come_back_by_tmpfiles():
    conf = TreePath("usr/lib/tmpfiles.d/podman.conf")
    tree = edit(
        tree_of("etc/containers/policy.json", "etc/fuse.conf", conf, **{conf: "d /x\n"}),
        vendor_etc=(
            VendorEtc(path=TreePath("etc/containers"), conf=conf),
            VendorEtc(path=TreePath("etc/fuse.conf"), how=VendorHow.LINK, conf=conf),
        ),
    )
    assert "usr/share/demo/etc/containers/policy.json" in tree
    assert "etc/containers" not in tree
    assert text(tree, conf) == (
        "d /x\n"
        "C /etc/containers - - - - /usr/share/demo/etc/containers\n"
        "L /etc/fuse.conf - - - - /usr/share/demo/etc/fuse.conf\n"
    )


def test_vendoring_what_is_not_there_is_an_error_unless_optional():
    with pytest.raises(EditError, match="vendor_etc found no etc/x"):
        edit(tree_of("etc/a"), vendor_etc=(VendorEtc(path=TreePath("etc/x")),))
    order = VendorEtc(path=TreePath("etc/x"), optional=True)
    assert edit(tree_of("etc/a"), vendor_etc=(order,)) == tree_of("etc/a")


def test_upholds_writes_the_drop_in_of_systemds_manual():
    tree = edit(
        tree_of(UNIT + "a.service", UNIT + "b@.service"),
        upholds=(Upholds(target="multi-user.target", units=("a.service", "b@1.service")),),
    )
    path = UNIT + "multi-user.target.d/10-demo.conf"
    assert text(tree, path) == "[Unit]\nUpholds=a.service b@1.service\n"


def test_upholding_a_unit_that_nobody_brings_is_refused_with_the_nearest():
    order = Upholds(target="multi-user.target", units=("containered.service",))
    with pytest.raises(EditError, match=r"did you mean containerd\.service"):
        edit(tree_of(UNIT + "containerd.service"), upholds=(order,))


def test_edits_come_in_their_order_by_kind_not_in_the_files():
    tree = tree_of("etc/a.conf", "usr/share/old")
    edited = apply_edits(
        tree,
        sysext(
            append=(Append(path=TreePath("usr/share/a.conf"), lines=("x",)),),
            move=(Transfer(path=Glob("etc/a.conf"), to=TreePath("usr/share/a.conf")),),
            remove=(Remove(paths=(Glob("usr/share"),)),),
        ),
        CONTEXT,
    )
    assert [change.verb for change in edited.log] == ["remove", "move", "append"]
    assert text(edited.tree, "usr/share/a.conf") == "etc/a.conf\nx\n"


def test_the_order_names_every_edit_of_a_definition_in_the_order_of_its_fields():
    fields = list(toml_keys(SysextDef))
    verbs = [key for key in fields[fields.index("remove") :] if key != "replace"]
    assert [verb for verb in ORDER if verb != "files"] == verbs


def test_an_error_names_the_extension():
    with pytest.raises(EditError) as caught:
        edit(tree_of("usr/a"), remove=(Remove(paths=(Glob("usr/b"),)),))
    assert caught.value.facts["extension"] == "demo"


def test_a_file_below_a_file_is_an_edit_error():
    with pytest.raises(EditError, match="lies below usr/a"):
        edit(tree_of("usr/a"), write=(Write(path=TreePath("usr/a/b"), text=""),))


KO = "usr/lib/modules/6.12-flatcar/"


def test_kernel_modules_get_sorted_install_lines_and_the_helper():
    tree = edit(
        tree_of(KO + "extra/zfs.ko.xz", KO + "extra/spl.ko", KO + "modules.dep", KO + "build/x"),
        kernel_modules=KernelModules.HELPER,
    )
    helper = "/usr/libexec/_flatcar-demo_modprobe_helper"
    assert text(tree, "usr/lib/modprobe.d/10-flatcar-demo-kmod-sysext.conf") == (
        f"install spl {helper} spl\nremove spl {helper} -r spl\n"
        f"install zfs {helper} zfs\nremove zfs {helper} -r zfs\n"
    )
    assert tree[helper[1:]].mode == 0o755
    assert KO + "modules.dep" not in tree
    assert KO + "build/x" in tree


def test_modules_for_another_kernel_and_no_modules_are_refused():
    with pytest.raises(EditError, match="for another kernel") as caught:
        edit(tree_of("usr/lib/modules/6.12-other/a.ko"), kernel_modules=KernelModules.HELPER)
    assert "-flatcar" in str(caught.value)
    with pytest.raises(EditError, match="kernel_modules found no module"):
        edit(tree_of("usr/a.ko"), kernel_modules=KernelModules.HELPER)

"""The policy of an image, and the labels that a tree gets by it."""

import contextlib
import random
import struct
from dataclasses import replace

import pytest

from sysextlib.errors import LabelError
from sysextlib.selinux.label import XATTR, label, label_of, without_labels
from sysextlib.selinux.policy import (
    STORES,
    OwnRules,
    Policy,
    find_policy,
    load_own_rules,
    load_policy,
)
from sysextlib.selinux.policydb import read_names
from sysextlib.selinux.rules import read_rules
from sysextlib.tree import Tree, directory_entry, file_entry, link_entry
from tests.builders.merged import MemoryBase
from tests.builders.policy import EVERYTHING, binary_policy, policy_files
from tests.builders.tree import every_kind

CONTEXT = "system_u:object_r:{}:s0"


def policy(contexts: str = EVERYTHING, **more) -> Policy:
    found = find_policy(MemoryBase(policy_files(contexts, **more)))
    assert found is not None
    return found


def rule(regex: str, name: str) -> str:
    return f"{regex} {CONTEXT.format(name)}\n"


def own(text: str, source: str = "selinux/demo.fc") -> OwnRules:
    return OwnRules(tuple(read_rules(text.encode(), source, 3)), ((source, "0" * 64),))


def types(tree: Tree) -> dict[str, str]:
    return {e.path: (label_of(e) or ":::").split(":")[2] for e in tree}


def test_files_folders_and_links_get_the_label_of_their_path():
    tree = Tree([file_entry("usr/bin/x", b""), link_entry("usr/bin/y", "x")])
    text = EVERYTHING + rule("/usr/bin", "bin_t") + rule("/usr/bin/.*", "lib_t")
    labelled = label(tree, policy(text))
    assert labelled.findings == ()
    assert types(labelled.tree) == {
        "usr": "any_t", "usr/bin": "bin_t", "usr/bin/x": "lib_t", "usr/bin/y": "lib_t",
    }  # fmt: skip


def test_a_label_ends_with_a_nul_as_libselinux_stores_it():
    (entry,) = label(Tree([directory_entry("usr")]), policy()).tree
    assert dict(entry.xattrs) == {XATTR: b"system_u:object_r:any_t:s0\0"}


def test_labels_of_packages_are_replaced_and_other_attributes_kept():
    old = ((XATTR, b"user_u:object_r:old_t:s0\0"), ("user.x", b"1"))
    tree = Tree([replace(directory_entry("usr"), xattrs=old)])
    (entry,) = label(tree, policy()).tree
    assert dict(entry.xattrs) == {XATTR: b"system_u:object_r:any_t:s0\0", "user.x": b"1"}
    (entry,) = without_labels(tree)
    assert dict(entry.xattrs) == {"user.x": b"1"}


def test_every_kind_of_entry_is_labelled_and_nothing_else_changes():
    tree = every_kind()
    labelled = label(tree, policy()).tree
    assert set(types(labelled).values()) == {"any_t"}
    assert without_labels(labelled) == without_labels(tree)


def test_a_path_that_the_policy_has_nothing_for_is_warned_of():
    tree = Tree([file_entry("usr/x", b"")])
    labelled = label(tree, policy(rule("/usr", "bin_t") + "/usr/.* <<none>>\n"))
    assert [(f.severity, f.key) for f in labelled.findings] == [("warning", "no-label:usr/x")]
    assert label_of(labelled.tree["usr/x"]) is None


def test_paths_of_one_inode_bear_one_label():
    one = replace(file_entry("usr/a", b""), hardlink="h")
    tree = Tree([one, replace(one, path="usr/b")])
    labelled = label(tree, policy(EVERYTHING + rule("/usr/b", "bin_t")))
    assert types(labelled.tree) == {"usr": "any_t", "usr/a": "any_t", "usr/b": "any_t"}
    assert [finding.key for finding in labelled.findings] == ["label-of-hard-link:usr/b"]


def test_a_type_that_the_policy_does_not_know_is_an_error_with_type_path_and_file():
    text = EVERYTHING + rule("/usr/x", "made_up_t")
    with pytest.raises(LabelError) as caught:
        label(Tree([file_entry("usr/x", b"")]), policy(text))
    assert "type made_up_t" in caught.value.brief
    assert "/usr/x" in caught.value.brief
    assert "file_contexts:2" in caught.value.facts["/usr/x"]


def test_an_attribute_is_no_type_and_a_role_must_be_known():
    binary = binary_policy(attributes=["file_type"])
    with pytest.raises(LabelError, match="type file_type"):
        label(Tree([directory_entry("usr")]), policy(rule("/usr", "file_type"), binary=binary))
    with pytest.raises(LabelError, match="role no_r"):
        label(Tree([directory_entry("usr")]), policy("/usr system_u:no_r:any_t:s0\n"))


def test_many_unknown_types_are_counted():
    tree = Tree(file_entry(f"usr/{number:02}", b"") for number in range(30))
    with pytest.raises(LabelError) as caught:
        label(tree, policy(rule("/.*", "made_up_t")))
    assert caught.value.facts["and"] == "21 more paths"


def test_our_own_rules_win_and_one_for_nothing_is_warned_of():
    text = rule("/usr/bin/.*", "own_t") + rule("/usr/nowhere", "own_t")
    tree = Tree([file_entry("usr/bin/x", b"")])
    labelled = label(tree, policy(EVERYTHING + rule("/usr/bin/x.*", "bin_t")).adding(own(text)))
    assert types(labelled.tree)["usr/bin/x"] == "own_t"
    assert [f.key for f in labelled.findings] == ["unused-label:selinux/demo.fc:/usr/nowhere"]


def test_a_rule_of_our_own_of_an_unknown_type_is_an_error_even_when_it_matches_nothing():
    added = policy().adding(own(rule("/usr/nowhere", "made_up_t")))
    with pytest.raises(LabelError, match="made_up_t") as caught:
        label(Tree([directory_entry("usr")]), added)
    assert "selinux/demo.fc:1" in caught.value.facts["/usr/nowhere"]


def test_without_a_binary_policy_no_type_is_unknown():
    files = policy_files(rule("/.*", "made_up_t"))
    files = {path: data for path, data in files.items() if "/policy/" not in path}
    found = find_policy(MemoryBase(files))
    assert types(label(Tree([directory_entry("usr")]), found).tree) == {"usr": "made_up_t"}


@pytest.mark.parametrize("store", STORES)
def test_a_policy_is_found_wherever_an_image_keeps_it(store):
    found = policy(store=store)
    assert found.type == "mcs"
    assert f"{store}/mcs/contexts/files/file_contexts" in dict(found.sources)


def test_an_image_without_a_policy_has_none():
    assert find_policy(MemoryBase({"etc/selinux/config": b"SELINUXTYPE=mcs\n"})) is None
    assert find_policy(MemoryBase({"usr": None})) is None


def test_without_a_config_the_policy_is_targeted():
    files = policy_files(kind="targeted")
    del files["etc/selinux/config"]
    assert find_policy(MemoryBase(files)).type == "targeted"


@pytest.mark.parametrize("config", [b"SELINUXTYPE=../x\n", b"SELINUXTYPE=\n", b"\xff\n"])
def test_a_config_that_names_no_policy_leaves_the_default(config):
    files = {**policy_files(kind="targeted"), "etc/selinux/config": config}
    assert find_policy(MemoryBase(files)).type == "targeted"


def test_files_beside_the_contexts_count_in_their_order():
    text = EVERYTHING + rule("/usr/.*", "bin_t")
    more = {"homedirs": rule("/usr/.*", "lib_t"), "local": rule("/usr/l.*", "own_t"),
            "subs": "/opt/usr /usr\n", "subs_dist": "/usr/sub /usr/l\n"}  # fmt: skip
    found = policy(text, more=more)
    tree = Tree(file_entry(path, b"") for path in ("usr/x", "usr/lx", "opt/usr/y", "usr/sub/z"))
    named = types(label(tree, found).tree)
    assert (named["usr/x"], named["usr/lx"]) == ("lib_t", "own_t")
    assert (named["opt/usr/y"], named["usr/sub/z"]) == ("lib_t", "own_t")
    assert len(found.sources) == 6


@pytest.mark.parametrize("within", ["", "mcs"])
def test_a_policy_may_come_from_a_folder(tmp_path, within):
    for path, data in policy_files().items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    found = load_policy(tmp_path / "etc/selinux" / within)
    assert found.type == "mcs"
    assert found.names is not None
    with pytest.raises(LabelError, match="holds no SELinux policy"):
        load_policy(tmp_path)


def test_own_rules_for_one_policy_win_over_those_for_all(tmp_path):
    (tmp_path / "mcs").mkdir()
    (tmp_path / "zfs.fc").write_text(rule("/usr/x", "bin_t") + rule("/usr/y", "bin_t"))
    (tmp_path / "mcs/zfs.fc").write_text(rule("/usr/x", "lib_t"))
    tree = Tree([file_entry("usr/x", b""), file_entry("usr/y", b"")])
    for kind, wanted in (("mcs", "lib_t"), ("default", "bin_t")):
        rules = load_own_rules(tmp_path, "zfs", kind)
        named = types(label(tree, policy(kind=kind).adding(rules)).tree)
        assert named == {"usr": "any_t", "usr/x": wanted, "usr/y": "bin_t"}
    assert load_own_rules(tmp_path, "other", "mcs") == OwnRules()


@pytest.mark.parametrize("version", [24, 30, 33, 35])
def test_names_of_a_binary_policy(version):
    found = read_names(binary_policy(["a_t", "b_t"], ["r"], ["attr"], version), "policy")
    assert (found.version, found.types, found.roles) == (version, {"a_t", "b_t"}, {"r"})


def test_a_binary_policy_cut_short_anywhere_is_refused():
    data = binary_policy()
    for size in range(len(data)):
        with pytest.raises(LabelError):
            read_names(data[:size], "policy")


def test_a_binary_policy_with_other_bytes_is_read_or_refused():
    rng = random.Random(0)
    for _ in range(500):
        data = bytearray(binary_policy())
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(LabelError):
            assert len(read_names(bytes(data), "policy").types) <= len(data) // 16


def test_a_policy_of_another_version_is_refused_with_those_that_are_read():
    data = bytearray(binary_policy())
    struct.pack_into("<I", data, 16, 99)
    with pytest.raises(LabelError, match="version") as caught:
        read_names(bytes(data), "policy")
    assert caught.value.facts["known"] == "24 to 35"

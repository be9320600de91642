"""Findings about single entries, secrets, owners and what must be there."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysextlib.check.merged import Merged
from sysextlib.definition import Privileged
from sysextlib.findings import Severity, acknowledge
from sysextlib.tree import Entry, Kind, Tree, directory_entry, file_entry, link_entry
from tests.builders.base import tree_of
from tests.builders.definition import sysext
from tests.builders.merged import SHELL, MemoryBase, findings, keys

CAPABLE = (("security.capability", b"x" * 20),)
KEY_LINES = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"
PRIVATE = b"-----BEGIN PRIVATE KEY-----\n" + KEY_LINES + b"-----END PRIVATE KEY-----\n"
STAMP = file_entry("usr/lib/extension-release.d/extension-release.demo", b"ID=x\n")


@pytest.mark.parametrize(
    ("entry", "rights"),
    [
        (file_entry("usr/x", b"", mode=0o4755), "mode 4755"),
        (file_entry("usr/x", b"", mode=0o2755), "mode 2755"),
        (replace(file_entry("usr/x", b"", mode=0o755), xattrs=CAPABLE), "file capabilities"),
        (replace(file_entry("usr/x", b"", mode=0o6755), xattrs=CAPABLE), "mode 6755 and file cap"),
        (file_entry("usr/x", b"", mode=0o1755), ""),
        (directory_entry("usr/x", mode=0o2775), ""),
    ],
)
def test_a_file_that_gives_rights_must_be_declared(entry, rights):
    tree = Tree([entry, file_entry("usr/y", b"")])
    found = findings(tree)
    assert [one.key for one in found] == ["privileged:usr/x"] * bool(rights)
    assert all(rights in one.message for one in found)
    declared = sysext(privileged=(Privileged(path="usr/*", reason="needs it"),))
    unused = [] if rights else ["warning privileged-unused:usr/*"]
    assert keys(tree, definition=declared) == unused


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("usr/bin/sh", "usr/bin/sh"),
        ("/bin/sh", "usr/bin/sh"),
        ("//usr/./bin/../bin/sh", "usr/bin/sh"),
        ("../../bin/own", "usr/bin/own"),
        ("bin/link", "usr/bin/own"),
        ("usr/loop", None),
        ("usr/bin/nowhere", None),
        ("usr/bin/sh/below", None),
    ],
)
def test_a_path_is_followed_through_extension_and_base(path, real):
    tree = {"usr/bin/own": b"", "usr/bin/link": "../bin/own", "usr/loop": "loop"}
    merged = Merged(tree_of(tree), MemoryBase(SHELL))
    found = merged.find(path)
    assert (found.path if found else None) == real
    assert merged.exists(path) == (real is not None)


def test_a_file_of_the_extension_hides_that_of_the_base():
    conf = "usr/lib/sysusers.d/x.conf"
    merged = Merged(tree_of({conf: b"ours"}), MemoryBase({conf: b"base's", f"{conf}2": b"other"}))
    assert merged.read(conf) == b"ours"
    assert merged.files("usr/lib/sysusers.d") == {conf: b"ours", f"{conf}2": b"other"}


def test_a_plain_extension_has_no_findings():
    assert keys({"usr/bin/x": b"#!/bin/sh\n", "usr/lib/a": "../bin/x"}) == []


def test_an_os_release_is_told():
    assert keys({"usr/lib/os-release": b"ID=x\n"}) == ["os-release:usr/lib/os-release"]


@pytest.mark.parametrize("kind", [Kind.FIFO, Kind.CHARDEV, Kind.BLOCKDEV])
def test_a_special_file_is_told(kind):
    device = None if kind is Kind.FIFO else (0, 0)
    entry = Entry(path="usr/x", kind=kind, mode=0o644, device=device)
    assert keys(Tree([entry])) == ["special-file:usr/x"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (file_entry("usr/x", b"", mode=0o666), True),
        (file_entry("usr/x", b"", mode=0o664), False),
        (directory_entry("usr/x", mode=0o777), True),
        (directory_entry("usr/x", mode=0o1777), False),
        (file_entry("usr/x", b"", mode=0o1666), True),
    ],
)
def test_what_everyone_may_write_is_told_but_for_sticky_folders(entry, told):
    tree = Tree([entry, file_entry("usr/y", b"")])
    assert keys(tree) == ["world-writable:usr/x"] * told


@pytest.mark.parametrize(
    "target", ["nowhere", "/usr/bin/nowhere", "../../../usr/lib/x", "sh/x", "/nowhere"]
)
def test_a_link_to_nothing_is_told(target):
    assert keys({"usr/bin/l": target}) == ["dangling-link:usr/bin/l"]


@pytest.mark.parametrize(
    "target", ["sh", "/bin/sh", "../../../../bin/sh", "/", ".", "/run/x", "/var/lib/x", "/dev/null"]
)
def test_a_link_to_something_or_to_where_only_the_machine_knows_is_fine(target):
    assert keys({"usr/bin/l": target}) == []


def test_a_link_into_etc_is_only_warned_of():
    assert keys({"usr/bin/l": "/etc/alternatives/l"}) == ["warning dangling-link:usr/bin/l"]


def test_links_in_a_circle_are_told():
    found = keys({"usr/a": "b", "usr/b": "a"})
    assert found == ["dangling-link:usr/a", "dangling-link:usr/b"]


def test_an_extension_of_nothing_but_its_stamp_is_told():
    assert keys(Tree([STAMP])) == ["empty-payload:usr"]
    assert keys(Tree([STAMP, directory_entry("usr/share/x")])) == ["empty-payload:usr"]
    assert keys(Tree([STAMP, file_entry("usr/share/x", b"")])) == []


def test_what_the_definition_requires_must_be_there():
    definition = sysext(required=("usr/bin/*ctl", "usr/**/y"))
    assert keys({"usr/share/a/y": b""}, definition=definition) == ["required-path:usr/bin/*ctl"]


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE,
        PRIVATE.replace(b"\n", b"\r\n"),
        b"some words\n" + PRIVATE.replace(b"BEGIN ", b"BEGIN RSA "),
        PRIVATE.replace(b"BEGIN ", b"BEGIN OPENSSH "),
        b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" + KEY_LINES,
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n" + KEY_LINES,
        b"root:$6$salt$abcdefghijklmnop:19000:0:99999:7:::\n",
        b"x\nme:$apr1$salt$abcdefghijklm\n",
    ],
)
def test_a_secret_is_known_by_its_content(text):
    assert keys({"usr/share/x": text}) == ["secret:usr/share/x"]


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("usr/share/x/shadow", b"root:*:19000:0:99999:7:::\n", True),
        ("usr/share/x/gshadow-", b"wheel:!:root:core\n", True),
        ("usr/lib/pam.d/shadow", b"auth sufficient pam_rootok.so\n", False),
        ("usr/share/x/ssh_host_ed25519_key", b"", True),
        ("usr/share/x/ssh_host_ed25519_key.pub", b"ssh-ed25519 AAAA\n", False),
        ("usr/share/x/krb5.keytab", b"\x05\x02", True),
    ],
)
def test_a_secret_is_known_by_its_name(path, text, told):
    assert keys({path: text}) == [f"secret:{path}"] * told


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN PUBLIC KEY-----\n" + KEY_LINES,
        b"-----BEGIN CERTIFICATE-----\n" + KEY_LINES,
        b'marker = "-----BEGIN PRIVATE KEY-----"\n',
        b"give it a -----BEGIN PRIVATE KEY----- line\n" + KEY_LINES,
        b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        b"\x7fELF" + PRIVATE,
        b"root:x:0:0:root:/root:/bin/sh\n",
    ],
)
def test_what_only_speaks_of_secrets_is_none(text):
    assert keys({"usr/share/x": text}) == []


PASSWD = b"root:x:0:0::/root:/bin/sh\nbroken\nx:y:\xc2\xb2:\n:\nd:x:50:51::/:/\n"


def owned(uid: int, gid: int) -> Tree:
    return Tree([replace(file_entry("usr/x", b""), uid=uid, gid=gid)])


@pytest.mark.parametrize(
    "database",
    [
        {"etc/passwd": PASSWD, "etc/group": b"d:x:51:\n"},
        {"usr/lib/sysusers.d/d.conf": b"# d\nu d 50:51 - -\ng g 51\n"},
        {"usr/lib/sysusers.d/d.conf": b'u! d 50:51 "a user" /\n'},
        {"usr/lib/userdb/d.user": b'{"userName":"d","uid":50}',
         "usr/lib/userdb/d.group": b'{"groupName":"d","gid":51}'},
    ],
    ids=["passwd", "sysusers", "sysusers locked", "userdb"],
)  # fmt: skip
def test_an_owner_that_a_database_of_base_or_extension_names_is_known(database):
    assert keys(owned(50, 51), {**SHELL, **database}) == []
    assert keys(Tree([*owned(50, 51), *_tree(database)])) == []


def _tree(files):
    return [file_entry(path, data) for path, data in files.items()]


@pytest.mark.parametrize(("uid", "gid"), [(50, 0), (0, 51), (1000, 1000), (2**32 - 1, 0)])
def test_an_owner_that_nobody_is_is_told(uid, gid):
    assert keys(owned(uid, gid)) == ["unknown-owner:usr/x"]


def test_root_and_nobody_are_always_known():
    assert keys(owned(0, 0)) == keys(owned(65534, 65534)) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[" * 100_000, b"[]", b'{"userName": 1, "uid": "x"}', b'{"uid": 1e999}'],
    ids=lambda data: data[:12],
)
def test_a_damaged_database_knows_nobody_and_harms_nothing(data):
    files = {
        "usr/lib/userdb/x.user": data, "usr/lib/sysusers.d/x.conf": data,
        "usr/share/baselayout/passwd": data, "etc/group": data,
    }  # fmt: skip
    assert keys(owned(50, 0), {**SHELL, **files}) == ["unknown-owner:usr/x"]


@pytest.mark.parametrize(
    "line", ["u", "u x \N{SUPERSCRIPT TWO}:\N{SUPERSCRIPT TWO}", "u x " + "9" * 5000, '"" "" ""']
)
def test_odd_lines_of_sysusers_harm_nothing(line):
    base = {**SHELL, "usr/lib/sysusers.d/x.conf": line.encode()}
    assert keys(owned(50, 0), base) == ["unknown-owner:usr/x"]


def test_an_acknowledged_finding_bears_its_reason():
    found = findings({"usr/x": "nowhere"})
    (judged,) = acknowledge(found, {"dangling-link:usr/x": "made at boot"})
    assert judged.severity is Severity.ACKNOWLEDGED
    assert "made at boot" in judged.message


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("dangling-link:usr/lib/x-1.2", True),
        ("dangling-link:usr/lib/x-*", True),
        ("dangling-link:usr/**", True),
        ("dangling-link:usr/*", False),
        ("secret:usr/lib/x-1.2", False),
        ("dangling-link:[z-a]", False),
    ],
)
def test_a_glob_acknowledges_whatever_version_it_is(key, named):
    (judged,) = acknowledge(findings({"usr/lib/x-1.2": "nowhere"}), {key: "as upstream has it"})
    assert (judged.severity is Severity.ACKNOWLEDGED) == named


@pytest.mark.parametrize("acknowledged", [{"secret": "x"}, {"secret:usr/x": ""}])
def test_an_acknowledgement_names_a_finding_and_a_reason(acknowledged):
    with pytest.raises(ValueError, match="CODE:SUBJECT with a reason"):
        sysext(acknowledge=acknowledged)


PIECES = st.sampled_from([
    *" \n\"'\\=[]%@:;#-?|.$/", "\0", "\N{SUPERSCRIPT TWO}", "\xff", "C", "L", "u ", "m ", "/usr/x",
    "[Unit]\n", "[Service]\n", "ExecStart=", "User=", "Requires=", "Upholds=", "x.service", "..",
    '{"uid":', "PRIVATE KEY-----", "#!", "/usr/bin/env ", "\x7fELF\x02\x01", "after", "9" * 30,
])  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_text_however_odd_harms_a_check(text):
    data = text.encode("latin-1", "replace")
    places = (
        "usr/lib/systemd/system/x.service", "usr/lib/systemd/system/y.target.d/x.conf",
        "usr/lib/tmpfiles.d/x.conf", "usr/lib/sysusers.d/x.conf", "usr/lib/userdb/x.user",
        "usr/lib/passwd", "usr/bin/x", "usr/lib/ld.so.conf", "usr/lib/udev/rules.d/x.rules",
        "usr/lib/systemd/system/systemd-udevd.service.d/x.conf",
    )  # fmt: skip
    target = text.replace("\0", "") or "x"
    keys({**dict.fromkeys(places, data), "usr/lib/link": target})


def test_what_an_extension_below_may_have_is_only_warned_of():
    tree = Tree([
        link_entry("usr/l", "nowhere"),
        replace(file_entry("usr/x", b""), uid=50),
        link_entry("usr/m", "of/it"),
    ])  # fmt: skip
    below = sysext(files=Tree([file_entry("usr/of/it", b"")]))
    found = keys(tree, after=(below,))
    assert found == ["warning dangling-link:usr/l", "warning unknown-owner:usr/x"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (b"#!/bin/sh -e\n", False),
        (b"#! /usr/bin/env sh\n", False),
        (b"#!/usr/bin/env -S A=b sh -u\n", False),
        (b"#!/usr/bin/env /bin/sh\n", False),
        (b"#!/usr/bin/python3\n", True),
        (b"#!/usr/bin/env python3\n", True),
        (b"#!\n", False),
        (b"#!/bin/sh", False),
    ],
)
def test_the_interpreter_of_a_script_must_be_there(script, told):
    assert keys({"usr/bin/x": script}) == ["missing-interpreter:usr/bin/x"] * told


def test_a_script_that_is_no_command_is_only_warned_of_and_one_not_executable_not_at_all():
    script = b"#!/usr/bin/perl\n"
    helper = file_entry("usr/share/x", script, mode=0o755)
    assert keys(Tree([helper])) == ["warning missing-interpreter:usr/share/x"]
    assert keys(Tree([replace(helper, mode=0o644)])) == []


def test_json_of_userdb_may_be_of_any_shape():
    record = json.dumps({"userName": ["x"], "uid": 50}).encode()
    base = {**SHELL, "usr/lib/userdb/x.user": record}
    assert keys(owned(50, 0), base) == []

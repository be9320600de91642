"""Findings about units, udev rules and tmpfiles.d: what systemd would not do."""

import pytest

from sysextlib.check.unit_file import Command, Setting, command, read_unit, words
from sysextlib.edit.apply import apply_edits
from sysextlib.tree import Tree, file_entry
from tests.builders.definition import CONTEXT, sysext
from tests.builders.merged import SHELL, UNITS, findings, keys

BASE = {
    **SHELL,
    f"{UNITS}/multi-user.target": b"",
    f"{UNITS}/sockets.target": b"",
    f"{UNITS}/getty@.service": b"",
    "etc/systemd/system/made.service": b"",
    f"{UNITS}/alias.service": "getty@.service",
    f"{UNITS}/masked.service": "/dev/null",
}


def of_unit(text: str, name: str = "x.service") -> list[str]:
    """Return the findings on a unit; those about it without its path."""
    found = keys({f"{UNITS}/{name}": text.encode()}, BASE)
    return [one.removesuffix(f":{UNITS}/{name}") for one in found]


@pytest.mark.parametrize(
    ("line", "program", "optional"),
    [
        ("/usr/bin/x -a b", "/usr/bin/x", False),
        ("-/usr/bin/x", "/usr/bin/x", True),
        ("@/usr/bin/x argv0", "/usr/bin/x", False),
        (":-+/usr/bin/x", "/usr/bin/x", True),
        ("!!/usr/bin/x", "/usr/bin/x", False),
        ('"/usr/bin/a b" c', "/usr/bin/a b", False),
        ("name --flag", "name", False),
        ("/usr/bin/%p", "", False),
        ("/usr/bin/a%%b", "/usr/bin/a%b", False),
        ("$PROGRAM x", "", False),
        (r"/usr/bin/a\x20b\055\sc x", "/usr/bin/a b- c", False),
        ("", "", False),
        ("-", "", True),
        ('""', "", False),
    ],
)
def test_the_program_of_a_command_line(line, program, optional):
    assert command(line) == Command(program, optional)


def test_a_unit_is_read_as_systemd_reads_it():
    text = b"""
# comment, which goes on in no line \\
[Unit]
Description = two \\
; not this
words
[Service]
ExecStart=/bin/a \\
  -b
nothing
[Broken
Key=
"""
    assert read_unit(text) == (
        Setting("Unit", "Description", "two  words"),
        Setting("Service", "ExecStart", "/bin/a  -b"),
        Setting("Service", "Key", ""),
    )


def test_words_honour_quotes():
    assert words('a "b c" \'d e\' "') == ["a", "b c", "d e", '"']


@pytest.mark.parametrize("key", ["ExecStart", "ExecStartPre", "ExecStop", "ExecReload"])
def test_a_program_that_is_nowhere_is_told(key):
    assert of_unit(f"[Service]\n{key}=/usr/bin/nowhere -x\n") == ["missing-program"]
    assert of_unit(f"[Service]\n{key}=nowhere -x\n") == ["missing-program"]


@pytest.mark.parametrize(
    "text",
    [
        "ExecStart=/usr/bin/sh",
        "ExecStart=/bin/sh -c 'nowhere'",
        "ExecStart=sh",
        "ExecStart=",
        "ConditionFileIsExecutable=/usr/bin/no\nExecStart=/usr/bin/no",
        "ConditionPathExists=|/usr/bin/no\nExecStart=/usr/bin/no",
        "ExecSearchPath=/nowhere",
    ],
)
def test_a_program_that_is_there_or_on_condition_is_fine(text):
    assert of_unit(f"[Service]\n{text}\n") == []


@pytest.mark.parametrize("program", ["-/usr/bin/nowhere", "/opt/bin/x", "/var/lib/x/run"])
def test_a_program_that_may_be_missing_is_only_warned_of(program):
    (found,) = of_unit(f"[Service]\nExecStart={program}\n")
    assert found == "warning missing-program"


def test_a_program_that_nobody_may_execute_is_told():
    unit = file_entry(f"{UNITS}/x.service", b"[Service]\nExecStart=/usr/lib/x\n")
    plain, folder = file_entry("usr/lib/x", b""), file_entry("usr/lib/x/y", b"")
    for entry in (plain, folder):
        assert keys(Tree([unit, entry]), BASE) == [f"program-not-executable:{UNITS}/x.service"]
    assert keys(Tree([unit, file_entry("usr/lib/x", b"", mode=0o755)]), BASE) == []


@pytest.mark.parametrize("key", ["Requires", "BindsTo", "Requisite", "Upholds"])
def test_a_unit_that_another_needs_must_be_there(key):
    assert of_unit(f"[Unit]\n{key}=nowhere.service getty@tty1.service\n") == ["missing-unit"]


@pytest.mark.parametrize(
    "names",
    [
        "multi-user.target", "getty@tty1.service", "made.service", "-.mount", "var-lib.mount",
        "dev-x.device", "user-1.slice", "getty@%i.service", "%p.socket", "alias.service",
        "x.service",
    ],
)  # fmt: skip
def test_a_unit_that_is_there_or_made_of_something_else_is_fine(names):
    assert of_unit(f"[Unit]\nRequires={names}\n", "x.service") == []


def test_a_wish_need_not_come_true():
    assert of_unit("[Unit]\nWants=nowhere.service\nAfter=nowhere.service\n") == []


def test_an_instance_needs_its_template():
    assert of_unit("[Unit]\nRequires=y@%i.service\n") == ["missing-unit"]
    assert of_unit("[Unit]\nRequires=y@a.service\n") == ["missing-unit"]


def test_a_masked_unit_cannot_be_needed():
    assert of_unit("[Unit]\nRequires=masked.service\n") == ["missing-unit"]


def test_a_drop_in_is_looked_at_as_a_unit_is():
    name = "multi-user.target.d/10-x.conf"
    assert of_unit("[Unit]\nUpholds=nowhere.service\n", name) == ["missing-unit"]


def test_what_the_extension_below_may_have_is_only_warned_of():
    unit = file_entry(f"{UNITS}/x.service", b"[Unit]\nRequires=y.service\n")
    (found,) = findings(Tree([unit]), BASE, after=(sysext(),))
    assert (found.severity, found.code) == ("warning", "missing-unit")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("User=nobody", 0),
        ("User=root\nGroup=root", 0),
        ("User=1000\nGroup=1000", 0),
        ("User=%i", 0),
        ("User=", 0),
        ("DynamicUser=Yes\nUser=x", 0),
        ("User=x", 1),
        ("User=x\nGroup=y", 2),
        ("DynamicUser=no\nUser=x", 1),
    ],
)
def test_a_unit_runs_as_someone_who_is_known(text, told):
    assert of_unit(f"[Service]\n{text}\n") == ["unit-of-unknown-user"] * told


def test_sysusers_of_the_extension_make_a_user_known():
    files = {
        f"{UNITS}/x.service": b"[Service]\nUser=x\nGroup=y\n",
        "usr/lib/sysusers.d/x.conf": b"u x -\nm x y\n",
    }
    assert keys(files, BASE) == []


LINK = f"{UNITS}/multi-user.target.wants/x.service"
X = {f"{UNITS}/x.service": b"", LINK: "../x.service"}


def test_a_link_to_a_target_that_is_reached_before_the_merge_starts_nothing():
    assert keys(X, BASE) == [f"link-starts-nothing:{LINK}"]


@pytest.mark.parametrize(
    "more",
    [
        {f"{UNITS}/sockets.target.d/10-x.conf": b"[Unit]\nUpholds=x.service\n"},
        {f"{UNITS}/sockets.target.upholds/x.service": "../x.service"},
        {f"{UNITS}/sockets.target.d/10-x.conf": b"[Unit]\nUpholds=a.service multi-user.target\n",
         f"{UNITS}/a.service": b""},
    ],
    ids=["drop-in", "link", "the target itself"],
)  # fmt: skip
def test_a_link_beside_an_upholds_is_fine(more):
    assert keys({**X, **more}, BASE) == []


def test_a_link_to_a_target_of_the_extension_or_of_the_user_manager_works():
    own = {f"{UNITS}/x.service": b"", f"{UNITS}/own.target": b""}
    assert keys({**own, f"{UNITS}/own.target.wants/x.service": "../x.service"}, BASE) == []
    user = "usr/lib/systemd/user"
    wanted = {f"{user}/x.service": b"", f"{user}/default.target.wants/x.service": "../x.service"}
    assert keys(wanted, BASE) == []


def test_a_link_to_no_unit_is_told_as_such():
    link = f"{UNITS}/own.target.wants/y.service"
    found = keys({link: "../y.service"}, BASE)
    assert found == [f"dangling-link:{link}", f"missing-unit:{link}"]


RULES = "usr/lib/udev/rules.d/60-x.rules"
DROP_IN = "usr/lib/systemd/system/systemd-udevd.service.d/10-x.conf"


def test_udev_rules_come_too_late_without_the_drop_in():
    assert keys({RULES: b""}) == [f"udev-rules-too-late:{RULES}"]
    assert keys({RULES: b"", DROP_IN: b"[Unit]\nAfter=x.service\n"}) == [
        f"udev-rules-too-late:{RULES}"
    ]


WAITS = b"[Unit]\nAfter=a.service systemd-sysext.service\n"


def test_udev_that_waits_for_extensions_reads_their_rules():
    assert keys({RULES: b""}, {**SHELL, DROP_IN: WAITS}) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"C /etc/systemd/system/systemd-udevd.service.d/x.conf - - - - /{DROP_IN}", False),
        (f"L /etc/systemd/system/systemd-udevd.service.d/x.conf - - - - /{DROP_IN}", True),
        (f"C /etc/x.conf - - - - /{DROP_IN}", True),
        ("C", True),
    ],
)
def test_a_drop_in_of_the_extension_counts_when_a_copy_is_left_for_the_next_boot(line, told):
    files = {RULES: b"", DROP_IN: WAITS, "usr/lib/tmpfiles.d/x.conf": f"{line}\n".encode()}
    assert keys(files) == [f"udev-rules-too-late:{RULES}"] * told


def test_the_edit_udev_waits_has_udev_wait():
    definition = sysext(udev_waits=True)
    edited = apply_edits(Tree([file_entry(RULES, b"")]), definition, CONTEXT)
    assert keys(edited.tree, definition=definition) == []


CONF = "usr/lib/tmpfiles.d/x.conf"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("C /etc/x - - - - /usr/share/demo", None),
        ("C /etc/x - - - - /usr/share/nowhere", "tmpfiles-source"),
        ("C+ /etc/x 0644 root root - /usr/share/nowhere", "tmpfiles-source"),
        ("L /etc/x - - - - ../usr/share/demo", None),
        ("L+ /etc/x - - - - ../usr/share/nowhere", "tmpfiles-source"),
        ("L? /etc/x - - - - /usr/share/nowhere", None),
        ("L /etc/x - - - - ../run/x", None),
        ("L /run/x - - - - /var/lib/x", None),
        ("C /etc/demo", "tmpfiles-source"),
        ("C /etc/base", None),
        ("C /etc/%m - - - - /usr/share/%m", None),
        ("d /var/lib/x 0755 root root -", None),
        ("d /var/lib/x 0755 1000 :1000 -", None),
        ("d /var/lib/x 0755 x root -", "tmpfiles-owner"),
        ("d /var/lib/x 0755 root :x -", "tmpfiles-owner"),
        ("# C /etc/x - - - - /nowhere", None),
        ("f", None),
        ('""', None),
        ('"" ""', None),
        ("\N{SUPERSCRIPT TWO} /x - \N{SUPERSCRIPT TWO}", "tmpfiles-owner"),
    ],
)
def test_a_line_of_tmpfiles_has_its_source_and_its_owner(line, told):
    base = {**SHELL, "usr/share/factory/etc/base": b""}
    assert keys({CONF: f"\n{line}\n".encode()}, base) == ([f"{told}:{CONF}"] if told else [])

import importlib

import pytest

from sysextlib.cli.call import parse
from sysextlib.cli.flags import COMMANDS
from sysextlib.cli.main import CODE
from sysextlib.errors import UsageError


def test_a_flag_is_spelled_with_underscore_or_dash_and_with_or_without_equals():
    for argv in (["--image_builddir=x"], ["--image-builddir", "x"], ["--image_builddir", "x"]):
        assert parse(["zfs", *argv]).text("image_builddir") == "x"


def test_a_value_may_begin_with_a_dash():
    call = parse(["--mkerofs_opts", "-C65536 -Efragments", "zfs"])
    assert (call.text("mkerofs_opts"), call.words) == ("-C65536 -Efragments", ("zfs",))


@pytest.mark.parametrize(
    "off", ["--nostrip_binaries", "--no-strip-binaries", "--no_strip_binaries"]
)
def test_a_boolean_is_switched_off_as_in_the_original_or_as_elsewhere(off):
    assert parse(["zfs", "--strip_binaries"]).on("strip_binaries")
    assert not parse(["zfs", "--strip_binaries", off]).on("strip_binaries")


def test_flags_and_words_come_in_any_order():
    call = parse(["x", "--board=b", "a/b", "--json", "c/d"])
    assert (call.command, call.words) == ("build", ("x", "a/b", "c/d"))


def test_plan_is_a_command_and_a_flag():
    assert parse(["plan", "zfs"]) == parse(["--plan", "zfs"])


def test_a_build_can_be_planned_without_taking_its_flags_away():
    call = parse(["zfs", "--image_builddir=x", "--compression=none", "--plan"])
    assert (call.command, call.text("image_builddir")) == ("plan", "x")


def test_defaults_are_those_of_the_original():
    call = parse(["zfs"])
    assert call.text("install_root_basename") == "install-root"
    assert not any(call.on(name) for name in ("strip_binaries", "generate_pkginfo"))


@pytest.mark.parametrize(
    ("argv", "brief", "hint"),
    [
        (["--bord=x"], "unknown flag --bord", "did you mean --board?"),
        (["--noplann"], "unknown flag --noplann", "--plan"),
        (["x", "--compression=zst"], "--compression cannot be 'zst'", "did you mean zstd?"),
        (["x", "--board"], "--board needs a value", "--help"),
        (["x", "--json=1"], "--json takes no value", "--help"),
        (["verify", "x", "--board=y"], "verify takes no --board", ""),
        (["verify", "x", "--plan"], "verify takes no --plan", ""),
        (["plan", "x", "--strip_binaries"], "plan takes no --strip_binaries", ""),
    ],
)
def test_a_wrong_flag_is_refused_with_the_nearest_right_one(argv, brief, hint):
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert caught.value.brief == brief
    assert hint in caught.value.hint


def test_every_command_has_code_of_its_own():
    assert set(CODE) == set(COMMANDS)
    for module, function in CODE.values():
        assert callable(getattr(importlib.import_module(f"sysextlib.cli.{module}"), function))

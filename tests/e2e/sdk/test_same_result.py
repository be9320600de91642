"""Both installers give the same, and what each call says is what reaches emerge."""

import json
from pathlib import Path

import pytest

from sysextlib.base import open_base
from tests.builders.sdk import HELLO, run, run_inside, sdk_world

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow]


def test_both_installers_give_the_same_bytes(daemon, world, settled, tmp_path):
    native, sdk = tmp_path / "native", tmp_path / "sdk"
    done = run(world, daemon, *HELLO, output=sdk)
    assert done.returncode == 0, done.stderr
    assert world.run(*HELLO, output=native).returncode == 0
    assert (sdk / "hello.raw").read_bytes() == (native / "hello.raw").read_bytes()
    for name in ("hello_packages.txt", "hello_contents.txt", "hello_dropped.txt"):
        assert (sdk / name).read_text() == (native / name).read_text()
    ours, theirs = (json.loads((f / "hello_manifest.json").read_text()) for f in (native, sdk))
    assert theirs["packages"] == ours["packages"]
    assert daemon.left() == settled


def test_compare_installers_says_that_they_agree(daemon, world):
    done = run(world, daemon, "compare-installers", *HELLO, output=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello: the same\n"


@pytest.mark.sdk_more
def test_compare_installers_shows_what_differs(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    done = run(world, daemon, "compare-installers", "h", "app-misc/writes",
               "--acknowledge=unrun-phase:app-misc/writes:pkg_postinst", output=None)  # fmt: skip
    assert done.returncode == 27, done.stderr
    assert "/usr/share/made: only emerge has it" in done.stdout


@pytest.mark.sdk_more
def test_only_our_own_installer_names_what_the_mask_kept_out(daemon, world, tmp_path):
    native, sdk = tmp_path / "native", tmp_path / "sdk"
    words = ("x", "app-misc/masked")
    assert world.run(*words, output=native).returncode == 0
    done = run(world, daemon, *words, output=sdk)
    assert done.returncode == 0, done.stderr
    assert (sdk / "x.raw").read_bytes() == (native / "x.raw").read_bytes()
    assert "usr/share/man/man1/m.1" in (native / "x_dropped.txt").read_text()
    assert "usr/share/man/man1/m.1" not in (sdk / "x_dropped.txt").read_text()


@pytest.mark.sdk_more
def test_the_package_databases_hold_the_same_packages(daemon, world, tmp_path):
    found = []
    for who in ("native", "sdk"):
        output = tmp_path / who
        words = (*HELLO, "--generate_pkginfo", f"--installer={who}")
        done = world.run(*words, output=output, env={"DOCKER_HOST": daemon.host})
        assert done.returncode == 0, done.stderr
        with open_base(world.base, [output / "hello_pkginfo.raw"]) as base:
            found.append(base.installed)
    assert [package.cpv for package in found[0]] == [package.cpv for package in found[1]]
    assert len(found[0]) == 3


@pytest.mark.sdk_more
@pytest.mark.parametrize("place", ["mounted", "overlay"])
def test_inside_the_sdk_emerge_of_this_machine_merges(daemon, world, tmp_path, place):
    output = tmp_path / "out"
    output.mkdir()
    writable = [tmp_path] if place == "mounted" else []
    done = run_inside(world, daemon, *HELLO, "--json", output=output, writable=writable)
    assert done.returncode == 0, done.stderr
    (built,) = json.loads(done.stdout)["built"]
    native = world.build(*HELLO, output=tmp_path / "native")
    assert built["root_hash"] == native[0]["root_hash"]


def test_emerge_outside_of_the_sdk_is_refused(world, tmp_path):
    if Path("/etc/debian_chroot").exists():
        pytest.skip("this is a chroot that calls itself one")
    done = world.run(*HELLO, "--installer=emerge", output=tmp_path / "out")
    assert done.returncode == 2
    assert "inside the SDK" in done.stderr


@pytest.mark.sdk_more
def test_nothing_of_the_callers_environment_reaches_emerge(daemon, world, tmp_path):
    loud = {"FEATURES": "noise", "INSTALL_MASK": "/usr", "EMERGE_DEFAULT_OPTS": "--pretend",
            "PKGDIR": "/nowhere", "ROOT": "/nowhere"}  # fmt: skip
    done = run(world, daemon, *HELLO, "--emerge_log", output=tmp_path / "a", **loud)
    assert done.returncode == 0, done.stderr
    assert run(world, daemon, *HELLO, output=tmp_path / "b").returncode == 0
    assert (tmp_path / "a/hello.raw").read_bytes() == (tmp_path / "b/hello.raw").read_bytes()
    assert ">>> Installing (2 of 2)" in (tmp_path / "a/hello_emerge.log").read_text()
    assert not (tmp_path / "b/hello_emerge.log").exists()

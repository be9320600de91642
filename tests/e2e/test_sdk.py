"""Whole builds whose packages are merged by real emerge, in a container of a real daemon."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import docker.errors
import pytest

from sysextlib.base import open_base
from sysextlib.system.cache import cache_root
from tests.builders.sdk import EBUILDS, IMAGE, Daemon, build_packages, sdk_daemon, sdk_world
from tests.builders.world import ROOT, World

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow, pytest.mark.sdk_more]

HELLO = ("hello", "app-misc/hello")
MOMENTS = 10


@pytest.fixture(scope="module")
def daemon():
    with sdk_daemon() as running:
        yield running


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    return build_packages(tmp_path_factory.mktemp("portage") / "p", EBUILDS)


@pytest.fixture(scope="module")
def world(packages, tmp_path_factory) -> World:
    return sdk_world(tmp_path_factory.mktemp("world"), packages)


@pytest.fixture(scope="module")
def settled(daemon, world, tmp_path_factory):
    """What is there after a build that nobody disturbed: nothing but the volume of bases."""
    assert run(world, daemon, *HELLO, output=tmp_path_factory.mktemp("first")).returncode == 0
    left = daemon.left()
    assert left[0] == []
    assert left[2] == []
    return left


def run(world: World, daemon: Daemon, *words: str, output: Path, **env: str):
    flags = () if any(w.startswith("--sdk") for w in words) else ("--installer=sdk",)
    return world.run(*words, *flags, output=output, env={"DOCKER_HOST": daemon.host, **env})


def start(world: World, daemon: Daemon, *words: str, output: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        world.argv(*words, "--installer=sdk", output=output),
        env=world.environment(DOCKER_HOST=daemon.host),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_emerge(daemon: Daemon) -> str:
    """Return the id of the container in which a package's hook sleeps."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for name in daemon.containers():
            with contextlib.suppress(docker.errors.APIError):  # it is gone, or not yet running
                if "sleep 300" in daemon.programs(name):
                    return name
        time.sleep(0.2)
    raise AssertionError("the hook never began")


def visible(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith(".")}


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


def test_compare_installers_shows_what_differs(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    done = run(world, daemon, "compare-installers", "h", "app-misc/writes",
               "--acknowledge=unrun-phase:app-misc/writes:pkg_postinst", output=None)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "/usr/share/made: only emerge has it" in done.stdout


def test_only_our_own_installer_names_what_the_mask_kept_out(daemon, world, tmp_path):
    native, sdk = tmp_path / "native", tmp_path / "sdk"
    words = ("x", "app-misc/masked")
    assert world.run(*words, output=native).returncode == 0
    done = run(world, daemon, *words, output=sdk)
    assert done.returncode == 0, done.stderr
    assert (sdk / "x.raw").read_bytes() == (native / "x.raw").read_bytes()
    assert "usr/share/man/man1/m.1" in (native / "x_dropped.txt").read_text()
    assert "usr/share/man/man1/m.1" not in (sdk / "x_dropped.txt").read_text()


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


def test_a_running_container_is_used_and_left_as_it_was(daemon, world, settled, tmp_path):
    output = tmp_path / "out"
    with daemon.idle("somebodys-sdk", sees=world.folder) as name, daemon.client() as api:
        before = daemon.programs(name)
        done = run(world, daemon, *HELLO, "--sdk_container=somebodys-sdk", output=output)
        assert done.returncode == 0, done.stderr
        assert world.run(*HELLO, output=tmp_path / "native").returncode == 0
        assert (output / "hello.raw").read_bytes() == (tmp_path / "native/hello.raw").read_bytes()
        assert daemon.programs(name) == before
        changed = {change["Path"] for change in api.diff(name) or []}
        assert not any(path.startswith("/var/tmp/build_sysext/") for path in changed)


def test_a_killed_build_leaves_nothing_in_somebodys_container(daemon, world, settled, tmp_path):
    with daemon.idle("somebodys-sdk", sees=world.folder) as name:
        before = daemon.programs(name)
        words = world.argv("x", "app-misc/sleeps", "--sdk_container=somebodys-sdk", output=tmp_path)
        process = subprocess.Popen(
            words,
            env=world.environment(DOCKER_HOST=daemon.host),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_for_emerge(daemon) == name
        process.kill()
        process.wait()
        end = time.monotonic() + 30
        while daemon.programs(name) != before and time.monotonic() < end:
            time.sleep(0.2)
        assert daemon.programs(name) == before


def test_a_container_that_does_not_see_the_inputs_is_refused(daemon, world, tmp_path):
    with daemon.idle("blind-sdk"):
        done = run(world, daemon, *HELLO, "--sdk_container=blind-sdk", output=tmp_path)
    assert done.returncode == 2
    assert f"container blind-sdk does not see {world.binhost}" in done.stderr


def test_a_container_that_is_not_there_is_named(daemon, world, tmp_path):
    done = run(world, daemon, *HELLO, "--sdk_container=nobodys", output=tmp_path)
    assert done.returncode == 25
    assert "there is no container called nobodys" in done.stderr


def test_a_package_that_no_binhost_has_is_built_from_source(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    words = ("made", "app-misc/from-source")
    without = run(world, daemon, *words, output=tmp_path / "out")
    assert without.returncode == 11, without.stderr
    done = run(world, daemon, *words, "--build_missing", output=tmp_path / "out", USE="loud")
    assert done.returncode == 0, done.stderr
    assert "usr/bin/made" in (tmp_path / "out/made_contents.txt").read_text()
    (built,) = world.binhost.glob("app-misc/from-source/*")
    again = run(world, daemon, *words, "--build_missing", output=tmp_path / "again", USE="loud")
    assert again.returncode == 0, again.stderr
    assert list(world.binhost.glob("app-misc/from-source/*")) == [built]
    native = world.run(*words, output=tmp_path / "native", env={"USE": "loud"})
    assert native.returncode == 0, native.stderr
    images = [(tmp_path / name / "made.raw").read_bytes() for name in ("out", "again", "native")]
    assert images[0] == images[1] == images[2]


def test_building_missing_packages_natively_is_refused(world, tmp_path):
    done = world.run(*HELLO, "--build_missing", output=tmp_path / "out")
    assert done.returncode == 2
    assert "add --installer=sdk" in done.stderr


FAULTS = {
    "missing package": ("app-misc/lonely", 11, "there is no package app-misc/nowhere"),
    "unknown atom": ("app-misc/absent", 11, "there is no package app-misc/absent"),
    "USE": ("app-misc/flagged[shiny]", 11, "no package can be used for app-misc/flagged"),
    "blocked by the base": ("app-misc/blocker", 11, "blocks sys-libs/glibc-2.40"),
    "newer than the base": ("app-misc/newer", 11, "would replace sys-libs/glibc-2.40"),
    "in the base": ("sys-libs/glibc", 11, "is in the base already"),
    "postinst": ("app-misc/dies", 16, "the hook of dies gives up"),
    "hidden": ("app-misc/hides", 12, "usr/lib64/libc.so.6"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_emerge_is_one_clear_error(daemon, world, settled, tmp_path, fault):
    atom, code, words = FAULTS[fault]
    done = run(world, daemon, "x", atom, output=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) < 45
    assert "Traceback" not in done.stderr
    assert visible(tmp_path) <= {"x_emerge.log"}
    assert daemon.left() == settled


@pytest.mark.parametrize("fault", ["missing package", "newer than the base", "in the base"])
def test_both_installers_refuse_with_the_same_error(daemon, world, tmp_path, fault):
    atom = FAULTS[fault][0]
    sdk = run(world, daemon, "x", atom, output=tmp_path / "sdk")
    native = world.run("x", atom, output=tmp_path / "native")
    briefs = [re.search(r"^error: .*", done.stderr, re.MULTILINE)[0] for done in (sdk, native)]
    assert briefs[0] == briefs[1]
    assert sdk.returncode == native.returncode


def test_two_packages_with_different_bytes_for_one_path_are_refused(daemon, world, tmp_path):
    done = run(world, daemon, "x", "app-misc/hello", "app-misc/clash", output=tmp_path)
    assert done.returncode == 12, done.stderr
    assert "cannot merge /usr/lib64/libgreet.so.1" in done.stderr


def test_a_corrupt_package_is_refused(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    (file,) = world.binhost.glob("app-misc/libgreet/*.gpkg.tar")
    data = bytearray(file.read_bytes())
    at = len(data) // 2
    data[at] ^= 0xFF
    file.write_bytes(data)
    done = run(world, daemon, *HELLO, output=tmp_path / "out")
    assert done.returncode in {8, 10, 16}, done.stderr
    assert "libgreet" in done.stderr
    assert not (tmp_path / "out/hello.raw").exists()


def test_an_sdk_of_another_version_is_refused(daemon, packages, tmp_path):
    release = b'ID=sysext-demo\nVERSION_ID=2.0.0\nVERSION="2.0.0"\n'
    world = sdk_world(tmp_path / "world", packages, {"usr/lib/os-release": release})
    done = run(world, daemon, *HELLO, output=tmp_path / "out")
    assert done.returncode == 6, done.stderr
    assert "SDK and base image are of different versions" in done.stderr
    again = run(world, daemon, *HELLO, "--ignore_version_mismatch", output=tmp_path / "out")
    assert again.returncode == 0, again.stderr


def test_an_image_that_cannot_be_had_is_refused(daemon, world, tmp_path):
    for flags in ([], ["--offline"]):
        image = "--sdk_image=registry.invalid/no/such:1"
        done = run(world, daemon, *HELLO, image, *flags, output=tmp_path)
        assert done.returncode == 25, done.stderr
        assert "is not here and cannot be pulled" in done.stderr


@pytest.mark.parametrize("place", ["mounted", "overlay"])
def test_inside_the_sdk_emerge_of_this_machine_merges(daemon, world, tmp_path, place):
    if sys.base_prefix == "/usr":
        pytest.skip("the container cannot be given this Python beside its own /usr")
    key = world.folder / "payload.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    seen = [sys.base_prefix, sys.prefix, ROOT, world.folder, cache_root()]
    binds = {str(path): {"bind": str(path), "mode": "ro"} for path in seen}
    output = tmp_path / "out"
    output.mkdir()
    if place == "mounted":
        binds[str(tmp_path)] = {"bind": str(tmp_path), "mode": "rw"}
    words = [*HELLO, "--installer=emerge", f"--payload_key={key}", "--json"]
    with daemon.client() as api:
        made = api.create_container(
            IMAGE, world.argv(*words, output=output), entrypoint=[], working_dir=str(ROOT),
            environment={"SYSEXT_SIGNING_KEY_DIR": str(world.keys), "PYTHONDONTWRITEBYTECODE": "1",
                         "BUILD_SYSEXT_CACHE": str(cache_root())},
            host_config=api.create_host_config(
                binds=binds, cap_add=["SYS_ADMIN"], security_opt=["apparmor=unconfined"],
                network_mode="none"),
        )  # fmt: skip
        try:
            api.start(made["Id"])
            code = api.wait(made["Id"])["StatusCode"]
            said = api.logs(made["Id"], stdout=True, stderr=False).decode()
            assert code == 0, api.logs(made["Id"]).decode()
        finally:
            api.remove_container(made["Id"], force=True, v=True)
    (built,) = json.loads(said)["built"]
    native = world.build(*HELLO, output=tmp_path / "native")
    assert built["root_hash"] == native[0]["root_hash"]


def test_without_an_engine_the_way_out_is_named(world, tmp_path):
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = world.run(*HELLO, "--installer=sdk", output=tmp_path / "out", env=env)
    assert done.returncode == 17
    assert "no container engine answers" in done.stderr
    assert "--installer=native" in done.stderr


def test_emerge_outside_of_the_sdk_is_refused(world, tmp_path):
    if Path("/etc/debian_chroot").exists():
        pytest.skip("this is a chroot that calls itself one")
    done = world.run(*HELLO, "--installer=emerge", output=tmp_path / "out")
    assert done.returncode == 2
    assert "inside the SDK" in done.stderr


def test_a_container_killed_from_outside_ends_the_build(daemon, world, settled, tmp_path):
    process = start(world, daemon, "x", "app-misc/sleeps", output=tmp_path)
    container = wait_for_emerge(daemon)
    with daemon.client() as api:
        api.kill(container)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 25, error
    assert "the SDK container went away in the middle" in error
    assert daemon.left() == settled


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_ends_at_once_and_clean(daemon, world, settled, tmp_path, number):
    process = start(world, daemon, "x", "app-misc/sleeps", output=tmp_path)
    wait_for_emerge(daemon)
    began = time.monotonic()
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert time.monotonic() - began < 20
    assert visible(tmp_path) == set()
    assert daemon.left() == settled


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_build_leaves_nothing_that_the_next_does_not_remove(
    daemon, world, settled, tmp_path, moment
):
    process = start(world, daemon, *HELLO, output=tmp_path)
    time.sleep(0.3 + 0.45 * moment)
    process.kill()
    process.communicate()
    done = run(world, daemon, *HELLO, output=tmp_path)
    assert done.returncode == 0, done.stderr
    assert daemon.left() == settled
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_a_killed_build_takes_its_container_with_it(daemon, world, settled, tmp_path):
    process = start(world, daemon, "x", "app-misc/sleeps", output=tmp_path)
    wait_for_emerge(daemon)
    process.kill()
    process.communicate()
    end = time.monotonic() + 30
    while daemon.left() != settled and time.monotonic() < end:
        time.sleep(0.2)
    assert daemon.left() == settled


def test_nothing_of_the_callers_environment_reaches_emerge(daemon, world, tmp_path):
    loud = {"FEATURES": "noise", "INSTALL_MASK": "/usr", "EMERGE_DEFAULT_OPTS": "--pretend",
            "PKGDIR": "/nowhere", "ROOT": "/nowhere"}  # fmt: skip
    done = run(world, daemon, *HELLO, "--emerge_log", output=tmp_path / "a", **loud)
    assert done.returncode == 0, done.stderr
    assert run(world, daemon, *HELLO, output=tmp_path / "b").returncode == 0
    assert (tmp_path / "a/hello.raw").read_bytes() == (tmp_path / "b/hello.raw").read_bytes()
    assert ">>> Installing (2 of 2)" in (tmp_path / "a/hello_emerge.log").read_text()
    assert not (tmp_path / "b/hello_emerge.log").exists()


def test_a_daemon_that_dies_ends_the_build(packages, world, tmp_path):
    with sdk_daemon() as daemon:
        process = start(world, daemon, "x", "app-misc/sleeps", output=tmp_path)
        container = wait_for_emerge(daemon)
        daemon.kill()
        _, error = process.communicate(timeout=120)
        assert process.returncode == 25, error
        assert "container" in error
        daemon.restart()
        done = run(world, daemon, *HELLO, output=tmp_path)
        assert done.returncode == 0, done.stderr
        assert container not in daemon.containers()
        assert daemon.left()[0] == []


def test_a_user_without_rights_on_the_socket_is_told_both_ways_out(daemon, world, tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    person = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
              "--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]  # fmt: skip
    code = "from sysextlib.system.docker import Engine; Engine.connect()"
    done = subprocess.run(
        [*person, sys.executable, "-c", code],
        env={**os.environ, "DOCKER_HOST": daemon.host, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "may not talk to the container engine" in done.stderr
    assert "usermod -aG docker" in done.stderr
    assert "podman.socket" in done.stderr

"""Which engine, image and container are used, and what is said when they cannot be."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.builders.checkout import copy_checkout
from tests.builders.sdk import HELLO, run, sdk_world, wait_for_emerge
from tests.builders.world import ROOT

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow]


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


def test_without_an_engine_the_way_out_is_named(world, tmp_path):
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = world.run(*HELLO, "--installer=sdk", output=tmp_path / "out", env=env)
    assert done.returncode == 17
    assert "no container engine answers" in done.stderr
    assert "--installer=native" in done.stderr


def test_a_board_that_prefers_the_sdk_takes_it_where_an_engine_answers_and_says_so(
    daemon, world, tmp_path
):
    program = copy_checkout(tmp_path / "checkout")
    board = program.parent / "board_overlays/demo-amd64/board.toml"
    board.write_text('installer = "sdk"\n' + board.read_text())
    said = []
    for host in (daemon.host, f"unix://{tmp_path}/none.sock"):
        argv = world.argv(*HELLO, output=tmp_path / f"out{len(said)}")
        argv[1] = str(program)
        env = world.environment(DOCKER_HOST=host)
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    assert "merging with emerge in the SDK container, as board demo-amd64 says" in said[0]
    assert "merging natively: no container engine answers" in said[1]
    images = [(tmp_path / f"out{number}/hello.raw").read_bytes() for number in range(2)]
    assert images[0] == images[1]


def test_a_user_without_rights_on_the_socket_is_told_both_ways_out(daemon, world, tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    person = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
              "--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]  # fmt: skip
    code = "from sysextlib.system.docker import Engine; Engine.connect()"
    done = subprocess.run(
        [*person, sys.executable, "-c", code],
        env={**os.environ, "DOCKER_HOST": daemon.host, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "may not talk to the container engine" in done.stderr
    assert "usermod -aG docker" in done.stderr
    assert "podman.socket" in done.stderr

"""Whatever ends a build leaves nothing that stays."""

import os
import signal
import time

import pytest

from tests.builders.engines import sdk_daemon
from tests.builders.sdk import HELLO, run, started, visible, wait_for_emerge

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow]

SLEEPS = ("x", "app-misc/sleeps")
MOMENTS = 10


def test_a_container_killed_from_outside_ends_the_build(daemon, world, settled, tmp_path):
    with started(world, daemon, *SLEEPS, output=tmp_path) as process:
        container = wait_for_emerge(daemon)
        with daemon.client() as api:
            api.kill(container)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 25, error
    assert "the SDK container went away in the middle" in error
    assert f"whole log: {tmp_path}/x_emerge.log" in error
    assert visible(tmp_path) == {"x_emerge.log"}
    assert daemon.left() == settled


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_ends_at_once_and_clean(daemon, world, settled, tmp_path, number):
    with started(world, daemon, *SLEEPS, output=tmp_path) as process:
        wait_for_emerge(daemon)
        began = time.monotonic()
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert error.endswith("interrupted; no half output is left\n")
    assert time.monotonic() - began < 20
    assert os.listdir(tmp_path) == []
    assert daemon.left() == settled


@pytest.mark.sdk_more
@pytest.mark.parametrize("moment", range(5))
def test_ctrl_c_at_any_moment_leaves_nothing(daemon, world, settled, duration, tmp_path, moment):
    output = tmp_path / "out"
    with started(world, daemon, *HELLO, output=output) as process:
        time.sleep(duration * (moment + 0.5) / 5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    early = process.returncode == -signal.SIGINT  # before it was the program's to handle
    assert early or process.returncode in {0, 130}, error
    assert early or "Traceback" not in error
    assert daemon.left() == settled
    left = set(os.listdir(output)) if output.exists() else set()
    assert left == set() or {"hello.raw", "hello_manifest.json"} <= left  # all or nothing
    assert process.returncode or left


@pytest.mark.parametrize(
    "moment",
    [pytest.param(n, marks=[] if n in {3, 6} else pytest.mark.sdk_more) for n in range(MOMENTS)],
)
def test_a_killed_build_leaves_nothing_that_the_next_does_not_remove(
    daemon, world, settled, duration, tmp_path, moment
):
    with started(world, daemon, *HELLO, output=tmp_path) as process:
        time.sleep(duration * (moment + 0.5) / MOMENTS)
        process.kill()
    done = run(world, daemon, *HELLO, output=tmp_path)
    assert done.returncode == 0, done.stderr
    assert daemon.left() == settled
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_a_killed_build_takes_its_container_with_it(daemon, world, settled, tmp_path):
    with started(world, daemon, *SLEEPS, output=tmp_path) as process:
        wait_for_emerge(daemon)
        process.kill()
    end = time.monotonic() + 30
    while daemon.left() != settled and time.monotonic() < end:
        time.sleep(0.2)
    assert daemon.left() == settled


def test_a_daemon_that_dies_ends_the_build(world, tmp_path):
    with sdk_daemon() as daemon:
        with started(world, daemon, *SLEEPS, output=tmp_path) as process:
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

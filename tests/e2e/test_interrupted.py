"""A build that dies at any point leaves nothing that the next one does not clean."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders.signals import heed_signals
from tests.builders.world import World

MOMENTS = 20


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def start(world: World, output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        world.argv("hello", "app-misc/hello", "--no-cache", output=output),
        env=world.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=heed_signals,
    )


@pytest.fixture(scope="module")
def duration(world: World, tmp_path_factory: pytest.TempPathFactory) -> float:
    output = tmp_path_factory.mktemp("measured")
    started = time.monotonic()
    assert start(world, output).wait() == 0
    return time.monotonic() - started


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_sigkill_leaves_no_half_output_and_nothing_for_good(world, duration, tmp_path, moment):
    reference, output = tmp_path / "reference", tmp_path / "out"
    if moment % 2:  # over earlier outputs, which stay until the new ones are complete
        assert start(world, output).wait() == 0
    before = files(output)
    process = start(world, output)
    time.sleep(duration * (0.2 + 0.8 * moment / MOMENTS))
    process.kill()
    process.wait()
    visible = (
        {name for name in os.listdir(output) if not name.startswith(".")}
        if output.exists()
        else set()
    )
    if before:
        assert all((output / name).read_bytes() for name in visible)
    assert "hello.raw" not in visible or len((output / "hello.raw").read_bytes()) % 4096 == 0
    assert start(world, output).wait() == 0
    assert start(world, reference).wait() == 0
    assert files(output) == files(reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_ends_at_once_and_clean(world, tmp_path, number):
    process = start(world, tmp_path)
    while process.poll() is None and not any(tmp_path.glob(".hello*")):
        time.sleep(0.01)  # until it is at work
    process.send_signal(number)
    code = process.wait(timeout=20)
    assert code == 130 or (code == 0 and (tmp_path / "hello.raw").exists())
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_ten_builds_in_one_folder_do_not_disturb_each_other(world, tmp_path):
    running = [
        subprocess.Popen(
            world.argv(f"hello{number}", "app-misc/hello", "--jobs=1", output=tmp_path),
            env=world.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(10)
    ]
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 10, errors
    assert len(os.listdir(tmp_path)) == 10 * 8


def test_ten_builds_of_one_name_give_one_whole_result(world, tmp_path):
    running = [start(world, tmp_path) for _ in range(10)]
    codes = {process.wait() for process in running}
    assert 0 in codes
    assert codes <= {0, 22}
    assert len([name for name in os.listdir(tmp_path) if not name.startswith(".")]) == 8
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []

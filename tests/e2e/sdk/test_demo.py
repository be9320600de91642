"""Real packages: every extension of the demo board, merged by emerge and by our own installer."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysextlib.definition import load_catalogue
from sysextlib.gentoo.arch import Arch
from tests.builders.demo import demo_board
from tests.builders.engines import Daemon
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.world import ROOT

pytestmark = [
    pytest.mark.tool, pytest.mark.root, pytest.mark.slow, pytest.mark.demo, pytest.mark.sdk_more
]  # fmt: skip

NAMES = [one.key for one in load_catalogue(ROOT).values() if one.fits("demo-amd64", Arch.AMD64)]

SIX = ("chrony", "containerd", "docker", "kmod-demo", "podman", "python")


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    key = private_key()
    write_pair(folder, key, certificate(key))
    return folder


def call(daemon: Daemon, keys: Path, *words: str) -> subprocess.CompletedProcess[str]:
    demo_board()
    argv = [sys.executable, ROOT / "build_sysext.py", "--board=demo-amd64", *words]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(Path.home())}
    env = {**path, "DOCKER_HOST": daemon.host, "SYSEXT_SIGNING_KEY_DIR": str(keys)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=1800)


@contextlib.contextmanager
def most_containers(daemon: Daemon) -> Iterator[list[int]]:
    """Count the engine's containers while the block runs; the list gets the counts."""
    counts: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            counts.append(len(daemon.containers()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield counts
    finally:
        done.set()
        thread.join()


def test_six_extensions_side_by_side_share_one_container_and_are_as_merged_natively(
    daemon, keys, tmp_path
):
    images = {}
    for who in ("sdk", "native"):
        with most_containers(daemon) as counts:
            done = call(
                daemon, keys, f"--installer={who}", f"--image_builddir={tmp_path / who}", *SIX
            )
        assert done.returncode == 0, done.stderr
        assert max(counts) == (1 if who == "sdk" else 0)
        images[who] = {path.name: path.read_bytes() for path in (tmp_path / who).glob("*.raw")}
    assert len(images["sdk"]) >= 6
    assert images["sdk"].keys() == images["native"].keys()
    assert [name for name, data in images["sdk"].items() if data != images["native"][name]] == []


@pytest.mark.parametrize("name", ["kmod-demo", *(name for name in NAMES if name not in SIX)])
def test_compare_installers_finds_no_difference(daemon, keys, name):
    done = call(daemon, keys, "compare-installers", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{name}: the same\n"

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.engines import Daemon, sdk_daemon
from tests.builders.sdk import EBUILDS, HELLO, build_packages, run, sdk_world
from tests.builders.world import World


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """Return a dockerd that all tests here share."""
    with sdk_daemon() as running:
        yield running


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of binary packages that real Portage built."""
    return build_packages(tmp_path_factory.mktemp("portage") / "p", EBUILDS)


@pytest.fixture(scope="session")
def world(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a base with those packages; tests read it and write elsewhere."""
    return sdk_world(tmp_path_factory.mktemp("world"), packages)


@pytest.fixture(scope="session")
def settled(
    daemon: Daemon, world: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], list[str], list[str]]:
    """What is there after a build that nobody disturbed: nothing but the volume of bases."""
    assert run(world, daemon, *HELLO, output=tmp_path_factory.mktemp("first")).returncode == 0
    left = daemon.left()
    assert left[0] == []
    assert left[2] == []
    return left


@pytest.fixture(scope="session")
def duration(
    daemon: Daemon, world: World, settled: object, tmp_path_factory: pytest.TempPathFactory
) -> float:
    """Return how many seconds a build takes here and now."""
    began = time.monotonic()
    assert run(world, daemon, *HELLO, output=tmp_path_factory.mktemp("second")).returncode == 0
    return time.monotonic() - began

import shutil
from pathlib import Path

import pytest

from sysextlib.errors import MissingToolError
from sysextlib.system.tools import Tools
from tests.builders.needs import require_tool
from tests.builders.world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a base with a binhost; tests read it and write elsewhere."""
    require_tool("mksquashfs")
    try:
        Tools.locate().require("mkfs.erofs", "fsck.erofs")
    except MissingToolError as error:
        pytest.fail(str(error))
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def own_world(tmp_path: Path, world: World) -> World:
    """Return a copy of the world that a test may damage."""
    folder = tmp_path / "world"
    shutil.copytree(world.folder, folder)
    return World(folder)

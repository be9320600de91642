import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sysextlib.errors import MissingToolError
from sysextlib.system.tools import Tools
from tests.builders.demo import CHECKOUT, demo_board
from tests.builders.needs import require_tool
from tests.builders.world import World, make_world

KEYS = ("chrony", "containerd", "docker", "kmod-demo", "oem", "podman", "python")


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with every extension of the demo board, signed with the checkout's key."""
    demo_board()
    output = tmp_path_factory.mktemp("extensions")
    script = CHECKOUT / "build_sysext.py"
    argv = [script, "--board=demo-amd64", f"--image_builddir={output}", "--generate_pkginfo"]
    env = {name: value for name, value in os.environ.items() if name != "SYSEXT_SIGNING_KEY_DIR"}
    done = subprocess.run([*argv, *KEYS], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return output


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

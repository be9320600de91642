import os
import subprocess
from pathlib import Path

import pytest

from tests.builders.demo import CHECKOUT, demo_board

KEYS = ("chrony", "containerd", "docker", "kmod-demo", "podman", "python")


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

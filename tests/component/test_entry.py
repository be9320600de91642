"""build_sysext.py itself: which python3 it hands over to."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_an_environment_that_is_closed_to_its_caller_is_not_used(tmp_path):
    shutil.copyfile(ROOT / "build_sysext.py", tmp_path / "build_sysext.py")
    (tmp_path / "sysextlib").symlink_to(ROOT / "sysextlib")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("not for everybody")
    argv = [sys.executable, tmp_path / "build_sysext.py", "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

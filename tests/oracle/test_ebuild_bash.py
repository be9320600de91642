"""bash itself says what the scripts of the unit tests come to."""

import subprocess

import pytest

from tests.builders.needs import require_tool
from tests.builders.shell_scripts import SCRIPTS

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(("script", "expected"), SCRIPTS)
def test_bash_agrees(script, expected):
    require_tool("bash")
    argv = ["bash", "--norc", "-c", f'{script}\nprintf %s "$X"']
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == expected

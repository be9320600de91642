"""systemd itself reads an os-release file, through the %w specifier of systemd-tmpfiles."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysextlib.errors import ToolError, ValueSyntaxError
from sysextlib.os_release import parse_env_file
from sysextlib.system.run import run
from tests.builders.needs import require_tool

pytestmark = [pytest.mark.oracle, pytest.mark.tool]

LINES = [
    "VERSION_ID=1",
    "VERSION_ID='a b'",
    'VERSION_ID="a b"',
    "VERSION_ID=a b  ",
    "VERSION_ID='it'\\''s'",
    "VERSION_ID='a''b'",
    "VERSION_ID='a' b",
    "VERSION_ID='a' 'b'",
    "VERSION_ID=a'b'",
    'VERSION_ID="a\\"b\\\\c\\$d\\`e\\nf"',
    'VERSION_ID="a\\\nb"',
    "VERSION_ID=a\\\nb",
    "VERSION_ID=a\\ ",
    "VERSION_ID=$'a\\nb'",
    "VERSION_ID='two\nlines'",
    "VERSION_ID='open\nVERSION_ID=2",
    'VERSION_ID="open\\',
    "VERSION_ID=open\\",
    "VERSION_ID=",
    "VERSION_ID",
    "VERSION_ID =spaced",
    "  VERSION_ID= spaced",
    "export VERSION_ID=no",
    "VERSION_ID=1\nVERSION_ID=2",
    "VERSION_ID=1\nVERSION_ID=",
    "# VERSION_ID=comment",
    "; VERSION_ID=comment",
    "# comment \\\nVERSION_ID=after",
    "VERSION_ID=a#b",
    "VERSION_ID=a # b",
    "junk\nVERSION_ID=1",
    "VERSION_ID=ü\u20ac\U0001f600",
    "VERSION_ID=1\r\nID=x",
    "=x\nVERSION_ID=1",
    "VERSION_ID=\\\n\\\n a",
    "VERSION_ID=\ta\tb\t",
]


def systemd_reads(root: Path, data: bytes) -> str:
    """Return VERSION_ID as systemd reads it; "" when it is absent or the file is refused."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_bytes(data)
    (root / "etc/line.conf").write_text("f /out - - - - <%w>\n")
    try:
        run(["systemd-tmpfiles", f"--root={root}", "--create", root / "etc/line.conf"])
    except ToolError:
        return "(refused)"
    return (root / "out").read_bytes().decode().removeprefix("<").removesuffix(">")


def we_read(data: bytes) -> str:
    try:
        return parse_env_file(data, "test").get("VERSION_ID", "")
    except ValueSyntaxError:
        return "(refused)"


@pytest.mark.parametrize("text", LINES)
def test_systemd_reads_the_same_value(tmp_path, text):
    require_tool("systemd-tmpfiles")
    assert we_read(text.encode()) == systemd_reads(tmp_path / "root", text.encode())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="aV=\n\\'\"#; $\té`", max_size=14), st.sampled_from(["", "VERSION_ID="]))
def test_systemd_reads_the_same_value_from_random_text(text, start):
    require_tool("systemd-tmpfiles")
    data = (start + text.replace("V", "VERSION_ID")).encode()
    with tempfile.TemporaryDirectory() as folder:
        assert we_read(data) == systemd_reads(Path(folder) / "root", data)


@pytest.mark.parametrize("data", [b"VERSION_ID=\xff\n", b"VERSION_ID=1\nX=\xc3\x28\n"])
def test_systemd_refuses_the_same_file(tmp_path, data):
    require_tool("systemd-tmpfiles")
    assert we_read(data) == "(refused)"
    assert systemd_reads(tmp_path / "root", data) == "(refused)"

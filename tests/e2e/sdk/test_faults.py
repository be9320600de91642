"""What emerge cannot do is one clear error, in the words of both installers."""

import re
from pathlib import Path

import pytest

from tests.builders.sdk import HELLO, run, sdk_world, visible

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow]

# packages, exit code, words of the error
FAULTS = {
    "missing package": ("app-misc/lonely", 11, "there is no package app-misc/nowhere"),
    "unknown atom": ("app-misc/absent", 11, "there is no package app-misc/absent"),
    "USE": ("app-misc/flagged[shiny]", 11, "no package can be used for app-misc/flagged"),
    "blocked by the base": ("app-misc/blocker", 11, "blocks sys-libs/glibc-2.40"),
    "blocked by another": ("app-misc/hello app-misc/pair", 11, "blocks app-misc/hello-2.0-r1"),
    "newer than the base": ("app-misc/newer", 11, "would replace sys-libs/glibc-2.40"),
    "in the base": ("sys-libs/glibc", 11, "is in the base already"),
    "postinst": ("app-misc/dies", 16, "the hook of dies gives up"),
    "whiteout": (
        "app-misc/hides",
        12,
        "/usr/lib64/libc.so.6: sys-libs/glibc-2.40\n  packages with hooks: app-misc/hides-1",
    ),
    "opaque": ("app-misc/empties", 12, "/usr/lib64: sys-libs/glibc-2.40"),
    "clash": ("app-misc/hello app-misc/clash", 12, "cannot merge /usr/lib64/libgreet.so.1"),
}
# those that our own installer tells in the same words
SAME = ["missing package", "blocked by another", "newer than the base", "in the base"]


def brief(said: str) -> str:
    """Return the first line of the one error in what was said."""
    (line,) = re.findall(r"^error: .*", said, re.MULTILINE)
    return str(line)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_emerge_is_one_clear_error(daemon, world, settled, tmp_path, fault):
    atoms, code, words = FAULTS[fault]
    done = run(world, daemon, "x", *atoms.split(), output=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert brief(done.stderr)
    assert len(done.stderr.splitlines()) < 45
    assert visible(tmp_path) <= {"x_emerge.log"}
    log = re.search(r"^  whole log: (.*)", done.stderr, re.MULTILINE)
    if log is not None:
        assert Path(log[1]) == tmp_path / "x_emerge.log"
        assert "emerge" in (tmp_path / "x_emerge.log").read_text()
    assert daemon.left() == settled
    if fault in SAME:
        native = world.run("x", *atoms.split(), output=tmp_path / "native")
        assert native.returncode == code, native.stderr
        assert brief(native.stderr) == brief(done.stderr)


def test_a_corrupt_package_is_refused(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    (file,) = world.binhost.glob("app-misc/libgreet/*.gpkg.tar")
    data = bytearray(file.read_bytes())
    at = len(data) // 2
    data[at] ^= 0xFF
    file.write_bytes(data)
    done = run(world, daemon, *HELLO, output=tmp_path / "out")
    assert done.returncode == 8, done.stderr
    assert "libgreet" in done.stderr
    assert visible(tmp_path / "out") <= {"hello_emerge.log"}

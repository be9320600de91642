"""Standard streams that are closed, full or no longer read."""

import shlex
import subprocess

import pytest

LIST = ("list", "--board=demo-amd64")
LONG_LIST = ("list", "--board=amd64-usr", "--json")  # more than a buffer


def shell(world, script, *words, output=None):
    """Run a script with PROGRAM in it in bash; return what came of it."""
    argv = world.argv(*words, output=output)
    if words[0] == "list":
        argv = [*argv[:2], *words]
    return subprocess.run(
        ["bash", "-c", script.replace("PROGRAM", shlex.join(argv))],
        env=world.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_build_needs_no_standard_streams(world, tmp_path, closed):
    done = shell(world, f"PROGRAM {closed}", "hello", "app-misc/hello", output=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hello.raw").exists()


@pytest.mark.parametrize("words", [("hello", "app-misc/hello", "--json"), LIST])
def test_what_cannot_be_printed_is_told(world, tmp_path, words):
    done = shell(world, "PROGRAM >/dev/full", *words, output=tmp_path)
    assert done.returncode == 21
    assert "cannot be printed" in done.stderr
    assert "No space left" in done.stderr
    assert "Exception" not in done.stderr


def test_a_full_disk_under_the_log_ends_a_build_that_leaves_nothing(world, tmp_path):
    done = shell(world, "PROGRAM 2>/dev/full", "hello", "app-misc/hello", output=tmp_path)
    assert done.returncode == 21
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("hello", "app-misc/hello", "--json"), LIST, LONG_LIST])
def test_a_reader_that_has_gone_is_no_error_to_tell(world, tmp_path, words):
    script = "PROGRAM | true; exit ${PIPESTATUS[0]}"
    done = shell(world, script, *words, output=tmp_path)
    assert done.returncode == 141
    assert "Exception" not in done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8", b"\xff\xc3\xa4"), ("ascii", b"\\udcff\\xe4")]
)
def test_a_folder_whose_name_is_no_text_is_printed(world, tmp_path, encoding, name):
    output = tmp_path / "\udcff\xe4"
    done = subprocess.run(
        world.argv("hello", "app-misc/hello", "--quiet", output=output),
        env={**world.environment(), "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.endswith(b"/" + name + b"/hello.raw\n"), done.stderr

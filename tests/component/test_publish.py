import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sysextlib.errors import LockedError, OutputError, ToolError
from sysextlib.system.lock import locked
from sysextlib.system.publish import staging

ROOT = Path(__file__).parents[2]


def listing(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def build(output: Path, **files: str) -> None:
    with staging(output, "x") as stage:
        for name, text in files.items():
            (stage.outputs / name).write_text(text)
        stage.publish(stale={"x.raw", "x_old.txt"})


def killed(script: str, output: Path) -> None:
    """Run a Python script that kills itself."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(output)], cwd=ROOT, check=False
    )
    assert result.returncode == -signal.SIGKILL


def test_outputs_appear_together_and_nothing_else_stays(tmp_path):
    build(tmp_path, **{"x.raw": "1", "x.txt": "2"})
    assert listing(tmp_path) == ["x.raw", "x.txt"]


def test_a_build_that_fails_leaves_the_earlier_outputs_as_they_were(tmp_path):
    build(tmp_path, **{"x.raw": "old"})
    with pytest.raises(OutputError), staging(tmp_path, "x") as stage:
        (stage.outputs / "x.raw").mkdir() or (stage.outputs / "x.raw").write_text("half")
    assert listing(tmp_path) == ["x.raw"]
    assert (tmp_path / "x.raw").read_text() == "old"


def test_an_output_that_the_new_build_does_not_make_goes_with_the_old_build(tmp_path):
    (tmp_path / "x_old.txt").write_text("out of date")
    (tmp_path / "y.raw").write_text("of another extension")
    build(tmp_path, **{"x.raw": "1"})
    assert listing(tmp_path) == ["x.raw", "y.raw"]


def test_two_builds_of_one_name_do_not_meet(tmp_path):
    with (
        staging(tmp_path, "x"),
        pytest.raises(LockedError) as caught,
        staging(tmp_path, "x"),
    ):
        pass
    assert caught.value.facts["its pid"] == str(os.getpid())


def test_builds_of_different_names_share_a_folder(tmp_path):
    with staging(tmp_path, "x"), staging(tmp_path, "y"):
        pass
    assert listing(tmp_path) == []


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path):
    killed(
        """
        import os, signal, sys; from pathlib import Path
        from sysextlib.system.publish import staging
        with staging(Path(sys.argv[1]), "x") as stage:
            (stage.outputs / "x.raw").write_text("half")
            (stage.scratch / "locked").mkdir(mode=0)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path,
    )
    assert listing(tmp_path) == [".x.building", ".x.lock"]
    build(tmp_path, **{"x.txt": "new"})
    assert listing(tmp_path) == ["x.txt"]


def test_a_publication_cut_short_is_finished_by_the_next_build(tmp_path):
    killed(
        """
        import os, signal, sys; from pathlib import Path
        from sysextlib.system import publish
        real, moved = Path.rename, []
        def rename(self, target):
            if len(moved) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            moved.append(self)
            return real(self, target)
        Path.rename = rename
        with publish.staging(Path(sys.argv[1]), "x") as stage:
            for name in ("x.raw", "x.txt", "x_a.txt"):
                (stage.outputs / name).write_text("complete")
            stage.publish(stale=())
        """,
        tmp_path,
    )
    assert not (tmp_path / "x.raw").exists()
    with pytest.raises(ZeroDivisionError), staging(tmp_path, "x"):
        raise ZeroDivisionError
    assert listing(tmp_path) == ["x.raw", "x.txt", "x_a.txt"]


@pytest.mark.parametrize("name", ["x.raw", "x_old.txt"])
def test_a_folder_in_the_place_of_an_output_is_refused_before_anything_appears(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=f"{name} cannot be written"):
        build(tmp_path, **{"x.raw": "1", "x.txt": "2"})
    assert listing(tmp_path) == [name]


def test_what_others_left_in_the_folder_leads_nowhere_else(tmp_path):
    kept, output = tmp_path / "kept", tmp_path / "output"
    (output / ".x.ready").mkdir(parents=True)
    kept.write_text("mine")
    (output / ".x.ready" / ".stale").write_text(f"../kept\n{kept}\n..\n")
    with staging(output, "x"):
        assert kept.read_text() == "mine"


@pytest.mark.parametrize("hidden", [".x.ready", ".x.building"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_what_no_build_left_is_removed_and_not_followed(tmp_path, hidden, kind):
    other, output = tmp_path / "other", tmp_path / "output"
    other.mkdir()
    output.mkdir()
    (other / "f").write_text("mine")
    if kind == "file":
        (output / hidden).write_text("")
    else:
        (output / hidden).symlink_to(other if kind == "link" else "nowhere")
    build(output, **{"x.raw": "1"})
    assert listing(output) == ["x.raw"]
    assert listing(other) == ["f"]


def test_a_folder_that_cannot_be_made_is_an_output_error():
    with pytest.raises(OutputError, match="cannot write to"), staging(Path("/proc/x"), "x"):
        pass


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"), staging(tmp_path / "file", "x"):
        pass


def test_a_full_disk_is_an_output_error():
    with (
        pytest.raises(OutputError, match="no space left"),
        staging(Path("/dev/shm") / f"publish-{os.getpid()}", "x"),
    ):
        Path("/dev/full").write_text("x")
    (Path("/dev/shm") / f"publish-{os.getpid()}").rmdir()


def test_a_tool_that_finds_the_disk_full_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="no space left") as caught, staging(tmp_path, "x"):
        raise ToolError("mkfs failed", {"last output": "x: No space left on device"})
    assert "mkfs failed" in str(caught.value)


def test_a_lock_file_is_gone_after_the_block(tmp_path):
    with locked(tmp_path / "lock", "x"):
        assert listing(tmp_path) == ["lock"]
    assert listing(tmp_path) == []

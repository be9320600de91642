"""--manglefs_script: a foreign program in a sandbox, as root and as nobody."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.edit import layout
from sysextlib.edit.changes import Change
from sysextlib.edit.mangle import Mangled, require_program, run_mangle
from sysextlib.errors import MangleError, MissingToolError
from sysextlib.system.tools import Tools
from sysextlib.tree import (
    Entry,
    Kind,
    Tree,
    directory_entry,
    file_entry,
    link_entry,
)
from tests.builders.needs import require_root, require_tool

pytestmark = pytest.mark.tool
EPOCH = 1_700_000_000
NOBODY = 65534


def become_nobody() -> None:
    """Give up root until ``become_root``; both ids, or the kernel hides us from our own /proc."""
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)


def become_root() -> None:
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)


@pytest.fixture(params=["as ourselves", "as nobody"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder to work in; for "as nobody" this process is nobody until the test ends."""
    require_tool("bwrap")
    if request.param == "as ourselves":
        yield tmp_path
        return
    require_root()
    # pytest's own folders are closed to others
    folder = Path("/var/tmp") / f"mangle-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    become_nobody()
    try:
        yield folder
    finally:
        become_root()
        shutil.rmtree(folder)


def mangle(place: Path, tree: Tree, script: str, **keys: float) -> Mangled:
    program = place / "mangle"
    program.write_text("#!/bin/sh\nset -e\n" + script)
    program.chmod(0o755)
    epoch = int(keys.pop("epoch", EPOCH))
    return run_mangle(program, tree, Tools.locate(place), place / "scratch", epoch=epoch, **keys)


def full_tree() -> Tree:
    """One entry of each kind, with all that a folder cannot hold."""
    ping = file_entry("usr/bin/ping", b"ping", mode=0o4755, mtime=1000, origin="net-misc/iputils-1")
    linked = file_entry("usr/lib/a", b"linked", mtime=1001)
    return Tree([
        replace(ping, xattrs=(("security.capability", b"\1\0"), ("security.selinux", b"ping_t\0"))),
        replace(linked, hardlink="t"),
        replace(linked, hardlink="t", path="usr/lib/b"),
        link_entry("usr/lib/dangling", "/nowhere/./x", mtime=1002),
        Entry(path="usr/lib/null", kind=Kind.CHARDEV, mode=0o666, device=(1, 3)),
        Entry(path="usr/lib/pipe", kind=Kind.FIFO, mode=0o644, mtime=5),
        replace(directory_entry("var/lib/chrony", mode=0o770, mtime=1003), uid=203, gid=203),
        replace(file_entry("usr/lib/secret", b"s", mode=0), uid=7, gid=8),
        replace(directory_entry("usr/lib/closed", mode=0o000, mtime=9), uid=7),
        file_entry("usr/lib/closed/in", b"x"),
    ])  # fmt: skip


def test_a_program_that_does_nothing_changes_nothing(place):
    tree = full_tree()
    mangled = mangle(place, tree, "true\n")
    assert mangled.tree == tree
    assert mangled.changes == ()
    assert mangled.tree["usr/bin/ping"].origin == "net-misc/iputils-1"


def test_what_changed_is_listed_and_the_rest_stays_as_it_was(place):
    script = (
        'cd "$1"\necho new > usr/lib/new\nchmod 640 usr/lib/new\nrm usr/lib/dangling\n'
        "echo more >> usr/lib/a\nchmod 700 usr/bin/ping\nmkdir usr/share\n"
    )
    mangled = mangle(place, full_tree(), script)
    assert mangled.changes == (
        Change("usr/bin/ping", "mangle", "mode 4755 -> 0700"),
        Change("usr/lib/a", "mangle", "modified"),
        Change("usr/lib/b", "mangle", "modified"),
        Change("usr/lib/dangling", "mangle", "removed"),
        Change("usr/lib/new", "mangle", "added"),
        Change("usr/share", "mangle", "added"),
    )
    new = mangled.tree["usr/lib/new"]
    assert (new.mode, new.uid, new.gid, new.mtime) == (0o640, 0, 0, EPOCH)
    assert mangled.tree["usr/lib/a"].hardlink == mangled.tree["usr/lib/b"].hardlink == "t"
    assert mangled.tree["usr/lib/secret"] == full_tree()["usr/lib/secret"]


def test_new_bytes_are_read_from_scratch_not_held_in_memory(place):
    mangled = mangle(place, Tree(), 'head -c 3000000 /dev/zero > "$1/big"\n')
    content = mangled.tree["big"].content
    assert content is not None
    assert content.data is None
    assert content.spool == place / "scratch/root/big"
    assert sum(map(len, content.chunks())) == 3_000_000


def test_a_moved_file_keeps_its_owner_and_capabilities(place):
    script = 'cd "$1/usr"\nmv bin/ping lib/ping\nmv ../var/lib/chrony lib/chrony\n'
    tree = mangle(place, full_tree(), script).tree
    original = full_tree()
    assert tree["usr/lib/ping"] == replace(original["usr/bin/ping"], path="usr/lib/ping")
    assert tree["usr/lib/chrony"].uid == 203
    again = (
        mangle(place / "2", full_tree(), 'echo x > "$1/usr/bin/ping"\n') if _mkdir(place) else None
    )
    assert again
    assert again.tree["usr/bin/ping"].xattrs == (("security.selinux", b"ping_t\0"),)


def _mkdir(place: Path) -> bool:
    (place / "2").mkdir()
    return True


def test_the_clock_does_not_reach_the_tree(place):
    script = 'touch "$1/now"\ntouch -d @1000 "$1/then"\nln -s x "$1/link"\nmkdir "$1/folder"\n'
    tree = mangle(place, Tree(), script).tree
    times = {entry.path: entry.mtime for entry in tree}
    assert times == {"now": EPOCH, "then": 1000, "link": EPOCH, "folder": EPOCH}


def test_the_program_is_a_root_that_owns_everything(place):
    script = (
        'test "$(id -u)" = 0\ntest "$(stat -c %u:%g "$1/usr/lib/secret")" = 0:0\n'
        'install -o root -g root -m 600 /dev/null "$1/x"\ncat "$1/usr/lib/secret" > /dev/null\n'
    )
    assert mangle(place, full_tree(), script).tree["x"].mode == 0o600


def test_the_program_sees_the_same_path_and_environment_everywhere(place, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    script = 'echo "$1" > "$1/path"\npwd >> "$1/path"\nenv | sort > "$1/env"\n'
    tree = mangle(place, Tree(), script).tree
    assert read(tree, "path") == "/run/install-root\n/run/install-root\n"
    assert "SECRET_TOKEN" not in read(tree, "env")
    assert "LC_ALL=C.UTF-8" in read(tree, "env")


@pytest.mark.parametrize(
    "write",
    [
        "touch /etc/mangled",
        "touch {place}/mangled",
        "touch {place}/scratch/mangled",
        "rm {place}/mangle",
        "head -c0 /dev/null >> /proc/sys/kernel/hostname",
        "mount -o remount,rw /",
        "mount --bind /etc $1/usr",
        "mknod $1/null c 1 3",
        "chown 1234 $1",
        "chmod u+s /bin/sh",
    ],
)
def test_writes_anywhere_else_fail(place, write):
    command = write.format(place=place)
    with pytest.raises(MangleError, match="failed with exit code"):
        mangle(place, tree_with_usr(), command + "\n")
    assert not list(place.glob("**/mangled"))
    assert not Path("/etc/mangled").exists()


def test_what_it_leaves_in_tmp_and_run_is_gone(place):
    mangle(place, Tree(), "touch /tmp/mangled-tmp /run/mangled-run /dev/shm/mangled-shm\n")
    for path in ("/tmp/mangled-tmp", "/run/mangled-run", "/dev/shm/mangled-shm"):
        assert not Path(path).exists()


def test_there_is_no_network(place):
    require_tool("python3")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        with pytest.raises(MangleError, match=r"Connection refused|unreachable"):
            mangle(place, Tree(), f'/usr/bin/env python3 -c "{code}"\n')


def test_a_failing_program_is_shown_with_its_last_words(place):
    with pytest.raises(MangleError) as caught:
        mangle(place, Tree(), "echo one\necho two >&2\nexit 3\n")
    assert caught.value.brief.endswith("failed with exit code 3")
    assert caught.value.facts["last output"] == "one\ntwo"
    assert caught.value.exit_code == 23


def test_a_program_that_does_not_end_is_ended(place):
    with pytest.raises(MangleError, match=r"did not end within 0\.5 seconds"):
        mangle(place, Tree(), "sleep 60\n", time_limit=0.5)


def test_what_it_left_running_is_ended_before_the_tree_is_read(place):
    script = 'cd "$1"\n(sleep 0.3; echo late > late) > /dev/null 2>&1 &\ntrue\n'
    assert mangle(place, Tree(), script).changes == ()


def test_a_socket_is_refused(place):
    require_tool("python3")
    code = "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1] + '/s')"
    with pytest.raises(MangleError, match="the program made a socket"):
        mangle(place, Tree(), f'python3 -c "{code}" "$1"\n')


def test_a_name_that_is_not_utf8_is_refused(place):
    with pytest.raises(MangleError, match="not UTF-8"):
        mangle(place, Tree(), "touch \"$1/$(printf 'a\\377')\"\n")


def test_a_path_that_is_too_long_is_refused_and_can_be_cleaned_up(place):
    code = "import os; [(os.mkdir('d' * 200), os.chdir('d' * 200)) for _ in range(40)]"
    with pytest.raises(MangleError, match="too long"):
        mangle(place, Tree(), f'cd "$1"\npython3 -c "{code}"\n')
    shutil.rmtree(place / "scratch")


def test_too_many_files_are_refused(place, monkeypatch):
    monkeypatch.setattr(layout, "LARGEST_TREE", 3)
    with pytest.raises(MangleError, match="more than 3 files"):
        mangle(place, Tree(), 'cd "$1"\ntouch a b c d\n')


def test_symlinks_that_lead_out_are_links_not_their_targets(place):
    script = (
        'ln -s /etc "$1/etc"\nln -s ../../../../etc/passwd "$1/usr/up"\nln -s / "$1/usr/root"\n'
    )
    tree = mangle(place, tree_with_usr(), script).tree
    assert {e.path: e.target for e in tree if e.kind is Kind.SYMLINK} == {
        "etc": "/etc",
        "usr/up": "../../../../etc/passwd",
        "usr/root": "/",
    }
    assert len(tree) == 4


def test_a_folder_that_became_a_link_is_read_as_one(place):
    tree = mangle(place, full_tree(), 'rm -r "$1/usr/lib"\nln -s /etc "$1/usr/lib"\n').tree
    assert tree["usr/lib"].kind is Kind.SYMLINK
    assert "usr/lib/null" not in tree


def test_what_it_made_unreadable_is_read_all_the_same(place):
    script = 'mkdir -p "$1/d/e"\necho x > "$1/d/e/f"\nchmod 0 "$1/d/e/f" "$1/d/e" "$1/d"\n'
    tree = mangle(place, Tree(), script).tree
    assert [(e.path, e.mode) for e in tree] == [("d", 0), ("d/e", 0), ("d/e/f", 0)]
    assert read(tree, "d/e/f") == "x\n"
    shutil.rmtree(place / "scratch")


def test_new_hard_links_are_kept(place):
    tree = mangle(place, Tree(), 'echo x > "$1/a"\nln "$1/a" "$1/b"\n').tree
    assert tree["a"].hardlink == tree["b"].hardlink == "mangle:a"


def test_a_program_beside_its_helpers_can_use_them(place):
    (place / "helper.sh").write_text('touch "$1/helped"\n')
    assert "helped" in mangle(place, Tree(), f". {place}/helper.sh\n").tree


def test_a_program_without_its_interpreter_fails_with_a_reason(place):
    program = place / "mangle"
    program.write_text("#!/nowhere/sh\n")
    program.chmod(0o755)
    with pytest.raises(MangleError, match="not found"):
        run_mangle(program, Tree(), Tools.locate(place), place / "scratch", epoch=EPOCH)


def test_a_missing_unfit_or_unexecutable_program_is_refused_at_once(tmp_path):
    with pytest.raises(MangleError, match="does not exist"):
        require_program(tmp_path / "none")
    with pytest.raises(MangleError, match="is not a file"):
        require_program(tmp_path)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    with pytest.raises(MangleError, match="is not executable") as caught:
        require_program(tmp_path / "plain")
    assert "chmod +x" in caught.value.hint


def test_without_bubblewrap_the_error_says_what_to_install(tmp_path):
    class NoTools:
        def argv(self, name: str) -> tuple[str, ...]:
            raise MissingToolError(f"{name} is not installed")

    program = tmp_path / "mangle"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(MissingToolError, match="install bubblewrap"):
        run_mangle(program, Tree(), NoTools(), tmp_path / "scratch", epoch=EPOCH)


def test_root_and_nobody_get_the_same_tree(tmp_path):
    require_tool("bwrap")
    require_root()
    script = 'cd "$1"\necho x > usr/x\nchmod 600 usr/lib/a\nmv usr/bin/ping usr/p\n'
    ours = mangle(tmp_path, full_tree(), script)
    assert stat.S_IMODE((tmp_path / "scratch/root/usr/x").stat().st_mode) == 0o644
    folder = Path("/var/tmp") / f"mangle-both-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    become_nobody()
    try:
        theirs = mangle(folder, full_tree(), script)
        assert theirs.changes == ours.changes
        assert theirs.tree.digest() == ours.tree.digest()
    finally:
        become_root()
        shutil.rmtree(folder)


def tree_with_usr() -> Tree:
    return Tree([directory_entry("usr")])


def read(tree: Tree, path: str) -> str:
    content = tree[path].content
    assert content is not None
    return content.read().decode()

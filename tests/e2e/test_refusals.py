"""Each bad input gets one clear error with its own exit code, and leaves no output."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci.demo_board.cache import link_board
from sysextlib.tree import directory_entry, file_entry, link_entry
from tests.builders.base import small_base, tree_of, write_squashfs
from tests.builders.binpkg import PackageSpec, write_binhost
from tests.builders.checkout import ROOT, copy_checkout
from tests.builders.demo import demo_board
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.needs import require_root
from tests.builders.world import OS_RELEASE, World, greet, hello, make_world

HELLO = ("hello", "app-misc/hello")


def refuse(world: World, output: Path, *words: str, code: int, **env: str) -> str:
    """Run a build that must fail; return its error."""
    done = world.run(*words, output=output, env=env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not output.exists() or os.listdir(output) == []
    lines = done.stderr.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    return "\n".join(lines[first:])


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("dockr",), 3, "did you mean docker?"),
        (("docker", "--bord=x"), 2, "did you mean --board?"),
        (("docker", "--compression=zst"), 2, "did you mean zstd?"),
        (("hello", "app-misc/helo"), 11, "app-misc/hello"),
        (("hello", ">=app-misc/hello-3"), 11, "app-misc/hello-2.0-r1"),
        (("hello", "app-misc/hello[nls]"), 11, "nls"),
        (("hello", "app-misc/hello:9"), 11, "slot"),
        (("hello", "app/misc/hello"), 7, "app/misc/hello"),
        (("hel lo", "app-misc/hello"), 3, "hel lo"),
        (("../x", "app-misc/hello"), 3, "../x"),
        (("app-misc/hello",), 2, "the extension has no name"),
        ((), 2, "nothing to build is named"),
        ((*HELLO, "--jobs=0"), 2, "--jobs"),
        ((*HELLO, "--jobs=" + "9" * 5000), 2, "--jobs"),
        ((*HELLO, "--acknowledge=secret"), 2, "CODE:SUBJECT"),
        ((*HELLO, "--install_root_basename=../x"), 2, "takes one name, not '../x'"),
        ((*HELLO, "--manglefs_script=/nonexistent"), 23, "/nonexistent"),
        ((*HELLO, "--manglefs_script=/etc/passwd"), 23, "not executable"),
        ((*HELLO, "--payload_key=/etc/passwd"), 15, "/etc/passwd"),
        ((*HELLO, "--base_pkginfo=/nonexistent"), 2, "--base_pkginfo"),
        ((*HELLO, "--profile=/nonexistent"), 2, "--profile"),
        ((*HELLO, "--profile=/tmp", "--installer=sdk"), 2, "our own installer"),
        ((*HELLO, "--mkerofs_opts='"), 2, "--mkerofs_opts"),
        ((*HELLO, "--mkerofs_opts=--no-such-option"), 16, "is to blame"),
        ((*HELLO, "--mkerofs_opts=--no-such-option", "--binhost=/nonexistent"), 16, "to blame"),
        ((*HELLO, "--binhost=ftp://x/y"), 2, "ftp"),
        ((*HELLO, "--binhost=/nonexistent"), 10, "/nonexistent"),
        ((*HELLO, "--binhost=http://127.0.0.1:9/x", "--offline"), 10, "127.0.0.1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_word_that_cannot_be_is_refused_with_the_nearest_that_can(
    world, tmp_path, words, code, told
):
    assert told in refuse(world, tmp_path / "out", *words, code=code)


@pytest.mark.parametrize(
    ("words", "env", "code", "told"),
    [
        (("--payload_key=/etc/passwd",), {}, 15, "/etc/passwd"),
        (("--module_key=/etc/passwd",), {}, 15, "/etc/passwd"),
        ((), {"SYSEXT_SIGNING_KEY_DIR": "/nonexistent"}, 15, "/nonexistent"),
        ((), {"VERSION_FIELD_OVERRIDE": "ID"}, 2, "SYSEXT_LEVEL"),
        ((), {"USE": "a_flag!"}, 7, "a_flag!"),
        (("--selinux_policy=/nonexistent",), {}, 26, "/nonexistent"),
        (("--manglefs_script=/etc/passwd",), {}, 23, "not executable"),
    ],
)
def test_what_the_call_itself_says_is_looked_at_before_a_base_is_sought(
    world, tmp_path, words, env, code, told
):
    """A base that is not there would be told of, or fetched, later."""
    gone = "--squashfs_base=/nonexistent.squashfs"
    assert told in refuse(world, tmp_path / "out", *HELLO, gone, *words, code=code, **env)


def test_the_failure_of_one_build_is_told_as_json_too(world, tmp_path):
    done = world.run("hello", "app-misc/helo", "--json", output=tmp_path / "out")
    told = json.loads(done.stdout)
    assert (done.returncode, told["built"]) == (11, [])
    (failed,) = told["failed"]
    assert (failed["name"], failed["exit_code"]) == ("hello", 11)
    assert "did you mean" in failed["hint"]
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("flag", ["--certificate", "--payload_pubkey"])
def test_a_key_that_is_none_is_told_before_any_file_is_blamed(world, flag):
    argv = [world.argv("verify")[0], world.argv("verify")[1], "verify"]
    words = [f"{flag}=/etc/passwd", "/etc/passwd"]
    done = subprocess.run(
        [*argv, *words], capture_output=True, text=True, env=world.environment(), check=False
    )
    assert (done.returncode, done.stdout) == (15, "")


def test_an_unknown_board_is_answered_with_the_known_ones(world, tmp_path):
    argv = [word for word in world.argv("docker") if not word.startswith("--board")]
    done = subprocess.run(
        [*argv, "--board=demo-amd46"], capture_output=True, text=True, env=world.environment()
    )
    assert done.returncode == 4
    assert "did you mean demo-amd64?" in done.stderr


@pytest.mark.parametrize("field", ["sysext level", "ID", "VERSION"])
def test_a_version_field_that_systemd_does_not_compare_is_refused(world, tmp_path, field):
    error = refuse(world, tmp_path / "out", *HELLO, code=2, VERSION_FIELD_OVERRIDE=field)
    assert "SYSEXT_LEVEL" in error


@pytest.mark.parametrize(
    ("base", "code", "told"),
    [
        ({"usr/lib/os-release": "nowhere", "etc/os-release": "nowhere"}, 5, "os-release"),
        ({"usr/lib/os-release": b"ID=other\nVERSION_ID=1\n"}, 5, "other"),
        ({"usr/lib/os-release": b"ID=sysext-demo\n"}, 5, "VERSION_ID"),
        ({"usr/lib/os-release": b'ID=sysext-demo\nVERSION_ID="1\n2"\n'}, 5, "VERSION_ID"),
        ({"usr/bin/hello": b"another hello\n"}, 12, "usr/bin/hello"),
        ({"usr/share/hello": b"a file where the package has a folder"}, 12, "usr/share/hello"),
    ],
    ids=["no os-release", "other OS", "no version", "odd version", "other file", "file for folder"],
)
def test_a_base_that_does_not_fit_is_refused(tmp_path, base, code, told):
    world = make_world(tmp_path / "world", base=base)
    assert told in refuse(world, tmp_path / "out", *HELLO, code=code)


def test_a_base_whose_symlinks_lead_the_stamp_away_is_refused(own_world, tmp_path):
    files = {path: data for path, data in small_base().items() if path != "usr/lib/os-release"}
    own_world.base.unlink()
    moved = {**files, "usr/lib": "lib64", "usr/lib64/os-release": OS_RELEASE}
    write_squashfs(tree_of(moved), own_world.base)
    assert "/usr/lib must be" in refuse(own_world, tmp_path / "out", *HELLO, code=5)


def test_a_base_without_a_package_database_is_refused(own_world, tmp_path):
    own_world.base.unlink()
    write_squashfs(tree_of({"usr/lib/os-release": b"ID=x\nVERSION_ID=1\n"}), own_world.base)
    assert "no installed packages" in refuse(own_world, tmp_path / "out", *HELLO, code=5)


@pytest.mark.parametrize("data", [b"", b"no squashfs", bytes(100_000)], ids=["empty", "text", "0s"])
def test_a_base_that_is_no_squashfs_is_refused(own_world, tmp_path, data):
    own_world.base.write_bytes(data)
    assert "squashfs" in refuse(own_world, tmp_path / "out", *HELLO, code=5)


def test_a_truncated_base_is_refused(own_world, tmp_path):
    data = own_world.base.read_bytes()
    own_world.base.write_bytes(data[: len(data.rstrip(b"\0")) - 100])
    refuse(own_world, tmp_path / "out", *HELLO, code=5)


def test_a_package_that_is_not_the_one_of_the_index_is_refused(own_world, tmp_path):
    path = own_world.binhost / hello().path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    error = refuse(own_world, tmp_path / "out", *HELLO, code=10)
    assert "not the one that the Packages index lists" in error


def test_a_damaged_package_of_a_binhost_without_index_is_refused(own_world, tmp_path):
    path = own_world.binhost / hello().path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    for name in ("Packages", "Packages.gz"):
        (own_world.binhost / name).unlink()
    assert path.name in refuse(own_world, tmp_path / "out", *HELLO, code=8)


def test_a_damaged_index_is_refused(own_world, tmp_path):
    (own_world.binhost / "Packages").write_bytes(b"\x00\xff garbage")
    refuse(own_world, tmp_path / "out", *HELLO, code=9)


def test_two_packages_that_bring_one_path_are_both_named(tmp_path):
    other = PackageSpec(
        cpv="app-misc/libgreet-1.1",
        metadata={"repository": "test"},
        entries=[file_entry("usr/bin/hello", b"mine\n", mode=0o755)],
    )
    world = make_world(tmp_path / "world", [hello(), other])
    error = refuse(world, tmp_path / "out", *HELLO, code=12)
    assert "app-misc/libgreet-1.1" in error
    assert "app-misc/hello-2.0-r1" in error


@pytest.mark.parametrize(
    "entry",
    [
        link_entry("usr/lib/extension-release.d", "/etc"),
        file_entry("usr/lib/extension-release.d", b"x"),
        file_entry("usr/lib/extension-release.d/extension-release.other", b"x"),
        directory_entry("usr/lib/extension-release.d/extension-release.stamped"),
    ],
    ids=["link", "file for folder", "other stamp", "folder for stamp"],
)
def test_a_package_that_brings_a_stamp_of_its_own_is_refused(tmp_path, entry):
    stamped = PackageSpec(cpv="app-misc/stamped-1", entries=[entry])
    world = make_world(tmp_path / "world", [stamped])
    error = refuse(world, tmp_path / "out", "stamped", "app-misc/stamped", code=12)
    assert f"/{entry.path}: app-misc/stamped-1" in error


def test_a_setuid_file_that_the_definition_does_not_name_is_refused(tmp_path):
    risky = PackageSpec(
        cpv="app-misc/risky-1", entries=[file_entry("usr/bin/risky", b"x", mode=0o4755)]
    )
    world = make_world(tmp_path / "world", [risky])
    error = refuse(world, tmp_path / "out", "risky", "app-misc/risky", code=14)
    assert "privileged:usr/bin/risky" in error


def test_a_phase_that_is_not_run_must_be_acknowledged(tmp_path):
    import bz2

    environment = b'pkg_postinst () \n{ \n    rm -rf "${EROOT}"/usr/lib/thing\n}\n'
    phased = PackageSpec(
        cpv="app-misc/phased-1",
        metadata={"DEFINED_PHASES": "postinst", "environment.bz2": bz2.compress(environment)},
        entries=[file_entry("usr/bin/phased", b"x", mode=0o755)],
    )
    world = make_world(tmp_path / "world", [phased])
    error = refuse(world, tmp_path / "out", "phased", "app-misc/phased", code=14)
    assert "unrun-phase:app-misc/phased:pkg_postinst" in error


def test_packages_of_another_version_are_refused_with_all_versions(own_world, tmp_path):
    (own_world.binhost / "version.txt").write_text("FLATCAR_VERSION_ID=9.9.9\n")
    error = refuse(own_world, tmp_path / "out", *HELLO, code=6)
    assert "1.2.3+build-7" in error
    assert "9.9.9" in error
    done = own_world.run(*HELLO, "--ignore_version_mismatch", output=tmp_path / "out")
    assert done.returncode == 0
    assert "are of different versions, which was asked to be ignored" in done.stderr


@pytest.mark.parametrize("missing", ["sysexts.key", "sysexts.crt"])
def test_a_missing_key_or_certificate_is_found_before_anything_is_built(
    own_world, tmp_path, missing
):
    (own_world.keys / missing).unlink()
    assert missing in refuse(own_world, tmp_path / "out", *HELLO, code=15)


def test_a_certificate_of_another_key_is_refused(own_world, tmp_path):
    write_pair(own_world.keys, private_key(), certificate(private_key(number=1)))
    error = refuse(own_world, tmp_path / "out", *HELLO, code=15)
    assert "do not belong together" in error


def test_a_folder_that_cannot_be_written_is_refused(world, tmp_path):
    (tmp_path / "file").write_text("")
    done = world.run(*HELLO, output=tmp_path / "file" / "out")
    assert done.returncode == 21
    assert "cannot write to" in done.stderr


def test_a_folder_in_use_is_refused_with_the_pid_of_the_other(world, tmp_path):
    waiting = subprocess.Popen(
        world.argv(*HELLO, output=tmp_path), env=world.environment(), stderr=subprocess.DEVNULL
    )
    lock = tmp_path / ".hello.lock"
    while not (lock.exists() and lock.read_text()) and waiting.poll() is None:
        pass
    waiting.send_signal(signal.SIGSTOP)
    try:
        done = world.run(*HELLO, output=tmp_path)
        assert done.returncode == 22
        assert f"its pid: {waiting.pid}" in done.stderr
    finally:
        waiting.send_signal(signal.SIGCONT)
        assert waiting.wait() == 0


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    require_root()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], check=True)
    try:
        world = make_world(tmp_path / "world")
        assert "no space left" in refuse(world, small, *HELLO, code=21).lower()
    finally:
        subprocess.run(["umount", small], check=True)


def test_earlier_outputs_survive_a_build_that_fails(own_world, tmp_path):
    first = own_world.run(*HELLO, output=tmp_path / "out")
    assert first.returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    shutil.rmtree(own_world.binhost)
    write_binhost(own_world.binhost, [hello(RDEPEND="app-misc/missing"), greet()])
    assert own_world.run(*HELLO, output=tmp_path / "out").returncode == 11
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_of_several_builds_one_that_fails_does_not_stop_the_others(world, tmp_path):
    done = world.run("docker", "python", "--json", output=tmp_path / "out")
    assert done.returncode == 11
    assert done.stderr.count("error: ") == 2


@pytest.mark.parametrize(
    "data", [b"", b"[" * 100_000, b"{}", b'{"outputs": 5}', b"\xff"], ids=lambda data: data[:6]
)
def test_a_damaged_manifest_of_an_earlier_build_only_means_to_build_again(
    own_world, tmp_path, data
):
    own_world.build(*HELLO, output=tmp_path / "out")
    (tmp_path / "out" / "hello_manifest.json").write_bytes(data)
    done = own_world.run(*HELLO, output=tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "its manifest" in done.stderr


@pytest.mark.demo
def test_a_board_made_from_other_files_than_the_checkout_has_is_refused(tmp_path):
    board = demo_board()
    program = copy_checkout(tmp_path)
    shutil.copytree(ROOT / "ci/demo_board", tmp_path / "ci/demo_board")
    link_board(board.board, tmp_path / "__build__", "1.0.0")
    argv = [sys.executable, program, "plan", "--board=demo-amd64", "chrony"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (ebuild,) = (tmp_path / "board_overlays/demo-amd64/overlay/net-misc/chrony").iterdir()
    ebuild.rename(ebuild.with_name("chrony-9.ebuild"))
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 6
    assert f"{ebuild.relative_to(tmp_path)}\n" in done.stderr
    assert "net-misc/chrony/chrony-9.ebuild\n" in done.stderr
    assert "hint: run ci/make-demo-board, or pass --ignore_version_mismatch" in done.stderr
    done = subprocess.run([*argv, "--ignore_version_mismatch"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "made from other files" in done.stderr

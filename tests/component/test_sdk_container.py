"""Real emerge in a container of a real daemon, called as the library calls it."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sysextlib.base import open_base
from sysextlib.binpkg.container import open_binpkg
from sysextlib.errors import BoardError, ContainerError, ToolError
from sysextlib.install.emerge import EmergeCall
from sysextlib.install.native import install
from sysextlib.install.sdk import install_by_emerge
from sysextlib.install.settle import settled
from sysextlib.progress import Silent
from sysextlib.system import docker as engines
from sysextlib.system import docker_host
from sysextlib.system.docker import HERE, Bind
from sysextlib.system.here import Here
from sysextlib.tree import Kind
from tests.builders.engines import IMAGE, sdk_daemon
from tests.builders.sdk import EBUILDS, HEAD, build_packages, sdk_world

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow]

ODD = """
IUSE="+filecaps"
src_install() {
    mkdir -p "${ED}"/usr/share/odd "${ED}"/usr/bin || die
    cd "${ED}"/usr/share/odd || die
    echo one >"a b"; echo two >'quote"'; echo three >'back\\\\slash'; ln "a b" hard1; ln "a b" hard2
    echo s >suid; chown 233:150 suid; chmod 6711 suid; mkdir sticky; chmod 1777 sticky
    touch sticky/in; mkdir closed; chmod 700 closed; chown 5:6 closed; echo z >closed/zero
    chmod 0000 closed/zero; ln -s /nowhere dangling; ln -s .. up; touch -d @1 old
    truncate -s 1M sparse; echo p >"${ED}"/usr/bin/ping; chmod 755 "${ED}"/usr/bin/ping
}
"""


@pytest.fixture(scope="module")
def daemon():
    with sdk_daemon() as running:
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    more = {"odd": ODD, "eats": EATS, "forks": FORKS}
    ebuilds = {**EBUILDS, **{f"app-misc/{name}-1": HEAD + text for name, text in more.items()}}
    packages = build_packages(tmp_path_factory.mktemp("portage") / "p", ebuilds)
    return sdk_world(tmp_path_factory.mktemp("world"), packages)


@pytest.fixture(scope="module")
def base(world):
    with open_base(world.base) as opened:
        yield opened


EATS = """
src_install() { insinto /usr/share; echo e >eats; doins eats; }
pkg_preinst() { head -c 900M /dev/zero | tail -n 1 >/dev/null || die "tail is gone"; }
"""
FORKS = """
src_install() { insinto /usr/share; echo f >forks; doins forks; }
pkg_preinst() { for n in {1..200}; do sleep 20 & done; }
"""


@contextlib.contextmanager
def container(daemon, world, memory=None):
    binds = [
        Bind(source=world.base, target=f"{HERE}/base.squashfs"),
        Bind(source=world.binhost, target=f"{HERE}/packages/0"),
    ]
    with (
        daemon.engine() as engine,
        engine.start(
            IMAGE, binds=binds, kept="bases", cpus=2, memory=memory, network=False
        ) as running,
    ):
        yield running


def call(base, *atoms: str, **more) -> EmergeCall:
    values = {
        "board": "demo-amd64",
        "atoms": atoms,
        "root_name": "install-root",
        "base": f"{HERE}/base.squashfs",
        "base_digest": base.digest,
        "bases": f"{HERE}/bases",
        "packages": f"{HERE}/packages/0",
        "scratch": f"{HERE}/scratch",
    }
    return EmergeCall(**{**values, **more})


def merge(what: EmergeCall, runner, base, folder: Path):
    folder.mkdir(exist_ok=True)
    return install_by_emerge(
        what, runner, base, spool=folder, log=folder / "log", progress=Silent()
    )


def test_the_tree_is_that_of_our_own_installer(daemon, world, base, tmp_path):
    with container(daemon, world) as running:
        theirs = merge(call(base, "app-misc/odd", "app-misc/hello"), running, base, tmp_path / "s")
    spool = tmp_path / "ours"
    spool.mkdir()
    files = [
        next(world.binhost.glob(f"app-misc/{name}/*.gpkg.tar"))
        for name in ("odd", "libgreet", "hello")
    ]
    ours = install(
        [open_binpkg(file) for file in files], base, spool=spool, progress=Silent(), jobs=1
    )
    one, other = (settled(found.tree, base.epoch) for found in (ours, theirs))
    assert {e.path: e for e in one} == {e.path: e for e in other}
    assert {e.path: e.origin for e in one if e.kind is not Kind.DIRECTORY} == {
        e.path: e.origin for e in other if e.kind is not Kind.DIRECTORY
    }
    assert other["usr/share/odd/suid"].mode == 0o6711
    assert other["usr/share/odd/hard2"].hardlink == "usr/share/odd/a b"
    assert set(theirs.packages) == set(ours.packages)


def test_six_installations_share_a_container_and_do_not_disturb_each_other(
    daemon, world, base, tmp_path
):
    atoms = [("app-misc/hello",), ("app-misc/second",), ("app-misc/odd",)] * 2
    with container(daemon, world) as running:
        alone = [merge(call(base, *a), running, base, tmp_path / f"a{i}").tree
                 for i, a in enumerate(atoms[:3])]  # fmt: skip
        with ThreadPoolExecutor(6) as pool:
            together = list(
                pool.map(
                    lambda job: merge(call(base, *job[1]), running, base, tmp_path / f"t{job[0]}"),
                    enumerate(atoms),
                )
            )
    for number, found in enumerate(together):
        assert settled(found.tree, base.epoch) == settled(alone[number % 3], base.epoch)


def test_a_full_disk_in_the_container_is_told_as_such(daemon, world, base, tmp_path):
    with container(daemon, world) as running:
        small = f"{HERE}/small"
        script = f"mkdir {small} && mount -t tmpfs -o size=48m small {small}"
        assert running.run(["sh", "-c", script], env={}, feed=b"", out=print, err=print) == 0
        with pytest.raises(ToolError, match="no space left in the SDK container"):
            merge(call(base, "app-misc/fills", scratch=small), running, base, tmp_path / "s")


def test_a_hook_that_eats_the_memory_is_ended_and_told_as_such(daemon, world, base, tmp_path):
    with (
        container(daemon, world, memory=300 << 20) as running,
        pytest.raises(ToolError, match="memory of the SDK container did not suffice"),
    ):
        merge(call(base, "app-misc/eats"), running, base, tmp_path / "s")


def test_a_hook_that_forks_without_end_is_ended_and_told_as_such(
    daemon, world, base, tmp_path, monkeypatch
):
    monkeypatch.setattr(engines, "PROCESSES", 100)
    with (
        container(daemon, world) as running,
        pytest.raises(ToolError, match="too many processes in the SDK container"),
    ):
        merge(call(base, "app-misc/forks"), running, base, tmp_path / "s")


def test_a_container_may_not_use_all_of_the_machine(daemon, world):
    with container(daemon, world), daemon.client() as api:
        (found,) = daemon.containers()
        limits, machine = api.inspect_container(found)["HostConfig"], api.info()
    assert limits["PidsLimit"] == engines.PROCESSES
    assert 0 < limits["Memory"] < machine["MemTotal"]
    assert limits["MemorySwap"] == limits["Memory"]
    assert limits["NanoCpus"] <= machine["NCPU"] * 10**9


def test_a_board_that_the_sdk_does_not_have_is_named(daemon, world, base, tmp_path):
    with (
        container(daemon, world) as running,
        pytest.raises(BoardError, match="the SDK knows no such board") as caught,
    ):
        merge(call(base, "app-misc/hello", board="nowhere"), running, base, tmp_path / "s")
    assert caught.value.facts == {"looked for": "/build/nowhere"}


def test_pkginfo_and_extensions_below_count_as_installed(daemon, world, base, tmp_path):
    below = {
        f"var/db/pkg/app-misc/libgreet-1.1/{key}": f"{value}\n".encode()
        for key, value in {"SLOT": "0", "EAPI": "8", "PF": "libgreet-1.1", "COUNTER": "9",
                           "CATEGORY": "app-misc", "CONTENTS": ""}.items()
    }  # fmt: skip
    with container(daemon, world) as running:
        found = merge(call(base, "app-misc/hello", below=below), running, base, tmp_path / "s")
    assert [str(package.cpv) for package in found.packages] == ["app-misc/hello-2.0-r1"]


def test_the_root_has_the_name_that_hooks_look_at(daemon, world, base, tmp_path):
    name = "flatcar-x-extra-sysext-rootfs"
    with container(daemon, world) as running:
        merge(call(base, "app-misc/hello", root_name=name), running, base, tmp_path / "s")
    assert f"/{name}/" in (tmp_path / "s/log").read_text()


def test_a_container_has_only_the_capabilities_that_are_named(daemon, world):
    with container(daemon, world) as running:
        said = bytearray()
        running.run(["cat", "/proc/self/status"], env={}, feed=b"", out=said.extend, err=print)
        with daemon.client() as api:
            (found,) = daemon.containers()
            config = api.inspect_container(found)["HostConfig"]
    bounding = next(line for line in said.decode().splitlines() if line.startswith("CapBnd"))
    assert int(bounding.split()[1], 16).bit_count() == len(engines.CAPABILITIES)
    assert config["Privileged"] is False
    assert config["NetworkMode"] == "none"


def test_what_a_dead_build_left_is_removed_and_what_a_living_one_has_is_not(daemon, world):
    dead = {engines.OWNER_LABEL: f"{engines.owner().rpartition(' ')[0]} 1"}
    with daemon.idle("left-over", labels=dead), daemon.client() as api:
        api.create_volume("left-over-volume", labels=dead)
        with container(daemon, world), daemon.engine() as engine:
            assert set(engine.sweep()) == {"left-over", "left-over-volume"}
            assert len(daemon.containers()) == 1
    assert daemon.containers() == []


def test_an_engine_that_does_not_answer_is_told_in_time(tmp_path, monkeypatch):
    import socket

    monkeypatch.setattr(docker_host, "TIMEOUT", 1)
    path = Path("/tmp") / f"silent-{tmp_path.name[-20:]}.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        began = time.monotonic()
        try:
            with pytest.raises(ContainerError, match="does not answer"):
                engines.Engine.connect()
        finally:
            path.unlink()
    assert time.monotonic() - began < 10


def test_programs_run_here_as_in_a_container(daemon, world):
    script = 'read -r line; echo "$line $WORD"; echo oops >&2; exit 7'
    with container(daemon, world) as running:
        for runner in (running, Here()):
            out, err = bytearray(), bytearray()
            code = runner.run(
                ["/bin/sh", "-c", script],
                env={"WORD": "two"},
                feed=b"one\n",
                out=out.extend,
                err=err.extend,
            )
            assert (code, bytes(out), bytes(err)) == (7, b"one two\n", b"oops\n")


def test_a_program_here_ends_when_it_is_stopped():
    runner = Here()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, ["sleep", "60"], env={}, feed=b"", out=print, err=print)
        time.sleep(0.3)
        runner.stop()
        assert running.result(timeout=10) == -9

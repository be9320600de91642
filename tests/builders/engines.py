"""Container engines that the tests start for themselves, with the SDK's stand-in in them."""

from __future__ import annotations

import contextlib
import os
import resource
import runpy
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from sysextlib.errors import SysextError
from sysextlib.system.cache import cache_root
from sysextlib.system.docker import Engine
from tests.builders.needs import require_root, require_tool
from tests.builders.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Neither a bridge nor packet filters: what is tested needs no network.
OPTIONS = (
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
)
IMAGE = "build-sysext-sdk:debian-13"
STARTING = 60  # seconds for an engine to answer


@dataclass(slots=True)
class Daemon:
    """A dockerd that the tests started, with all that it keeps below ``folder``."""

    folder: Path
    process: subprocess.Popen[bytes]
    needs: ClassVar[str] = "dockerd"

    @property
    def host(self) -> str:
        """What DOCKER_HOST is for it."""
        return f"unix://{self.folder}/docker.sock"

    @classmethod
    def program(cls, folder: Path) -> tuple[list[str], dict[str, str]]:
        """Return its command line, and what its environment has besides ours."""
        words = [
            "dockerd",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--host=unix://{folder}/docker.sock",
            f"--pidfile={folder}/docker.pid",
            *OPTIONS,
        ]
        return words, {}

    @classmethod
    def start(cls, folder: Path) -> Daemon:
        """Start it and wait until it answers."""
        words, env = cls.program(folder)
        env["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                cwd=folder,  # another user's daemon may not be able to go to ours
                env={**os.environ, **env},
                start_new_session=True,
            )
        daemon = cls(folder, process)
        end = time.monotonic() + STARTING
        while True:
            try:
                with daemon.engine():
                    return daemon
            except SysextError:
                if time.monotonic() > end or process.poll() is not None:
                    tail = (folder / "log").read_text()[-2000:]
                    raise AssertionError(f"{words[0]} does not answer:\n{tail}") from None
                time.sleep(0.2)

    def stop(self) -> None:
        """End it, and let go of what it mounted."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """End it as a crash would; its containers run on."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again after ``kill``; it ends the containers that it finds."""
        # A process that was given the same number meanwhile would be taken for containerd.
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        for attempt in range(3):
            try:
                self.process = self.start(self.folder).process
            except AssertionError:  # containerd gets 15 s from it, whatever else the machine does
                if attempt == 2:
                    raise
            else:
                return

    @contextlib.contextmanager
    def engine(self) -> Iterator[Engine]:
        """Connect to it."""
        with environment(DOCKER_HOST=self.host), Engine.connect() as engine:
            yield engine

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """Yield a client of its interface."""
        import docker

        with contextlib.closing(docker.DockerClient(base_url=self.host, timeout=60)) as client:
            yield client.api

    def containers(self) -> list[str]:
        """Return the ids of all containers, running or not."""
        with self.client() as api:
            return [found["Id"] for found in api.containers(all=True)]

    def volumes(self) -> list[str]:
        """Return the names of all volumes."""
        with self.client() as api:
            return [found["Name"] for found in api.volumes()["Volumes"] or []]

    def programs(self, container: str) -> list[str]:
        """Return the command lines of what runs in a container."""
        with self.client() as api:
            return [" ".join(row[1:]) for row in api.top(container, "-eo pid,args")["Processes"]]

    @contextlib.contextmanager
    def idle(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        sees: Path | None = None,
        writable: bool = False,
    ) -> Iterator[str]:
        """Run a container of the SDK's stand-in that does nothing, as somebody else would.

        :param sees: a folder that is mounted in it, at /mnt/world; it may mount then.
        :param writable: whether it may change that.
        """
        from docker.types import Mount

        with self.client() as api:
            more: dict[str, Any] = {}
            if sees is not None:
                more["mounts"] = [
                    Mount("/mnt/world", str(sees), type="bind", read_only=not writable)
                ]
                more |= {"cap_add": ["SYS_ADMIN"], "security_opt": ["apparmor=unconfined"]}
            config = api.create_host_config(network_mode="none", **more)
            made = api.create_container(
                IMAGE, entrypoint=["/bin/sleep", "1000"], name=name, labels=labels,
                host_config=config,
            )  # fmt: skip
            try:
                api.start(made["Id"])
                yield made["Id"]
            finally:
                with contextlib.suppress(Exception):
                    api.remove_container(made["Id"], force=True, v=True)

    def left(self) -> tuple[list[str], list[str], list[str]]:
        """Return the containers and volumes that there are, and what is mounted for emerge."""
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return (
            self.containers(),
            self.volumes(),
            [line for line in mounts if "build_sysext" in line],
        )


class Podman(Daemon):
    """The service of podman that speaks docker's language."""

    __slots__ = ()
    needs = "podman"

    @classmethod
    def program(cls, folder: Path) -> tuple[list[str], dict[str, str]]:
        """Return its command line, and what its environment has besides ours."""
        # It asks for more open files and processes than a container around us may allow, and crun
        # refuses a machine with both kinds of control groups.
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] % (1 << 63), 1 << 20)
        most = int(Path("/proc/sys/kernel/pid_max").read_text())
        processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1] % (1 << 63), most)
        settings = folder / "containers.conf"
        settings.write_text(
            f'[containers]\ndefault_ulimits = ["nofile={files}:{files}",'
            f' "nproc={processes}:{processes}"]\n[engine]\nruntime = "runc"\n'
        )
        words = [
            "podman",
            f"--root={folder}/data",
            f"--runroot={folder}/run",
            f"--tmpdir={folder}/tmp",
            "system",
            "service",
            "--time=0",
            f"unix://{folder}/docker.sock",
        ]
        return words, {"CONTAINERS_CONF": str(settings)}

    def programs(self, container: str) -> list[str]:
        """Return the command lines of what runs in a container; its own top knows no options."""
        with self.client() as api:
            made = api.exec_create(container, ["ps", "-e", "-o", "args", "--no-headers"])
            lines = api.exec_start(made["Id"]).decode().splitlines()
        return [line for line in lines if not line.startswith("ps -e")]


class RootlessPodman(Podman):
    """The same, run by an ordinary user; what it shows in containers that user must see."""

    __slots__ = ()

    @classmethod
    def program(cls, folder: Path) -> tuple[list[str], dict[str, str]]:
        """Return its command line, and what its environment has besides ours."""
        users = Path("/etc/subuid").read_text() if Path("/etc/subuid").exists() else ""
        if not users:
            pytest.skip("/etc/subuid gives no user the right to containers of its own")
        words, env = super().program(folder)
        user = users.partition(":")[0]
        shutil.chown(folder, user)
        home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        return [
            "setpriv",
            f"--reuid={user}",
            f"--regid={user}",
            "--init-groups",
            *words,
        ], env | home


@contextlib.contextmanager
def sdk_daemon(kind: type[Daemon] = Daemon) -> Iterator[Daemon]:
    """Run an engine that has the SDK's stand-in, for the length of the block."""
    require_root()
    require_tool(kind.needs, "mmdebstrap")
    folder = Path(tempfile.mkdtemp(prefix="sysextd-", dir="/tmp"))  # a socket's path must be short
    try:
        daemon = kind.start(folder)
        try:
            script: dict[str, Any] = runpy.run_path(str(ROOT / "ci/make-sdk-image"))
            root = script["make"](cache_root())
            with daemon.engine() as engine:
                script["load"](engine, root)
            yield daemon
        finally:
            daemon.stop()
    finally:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted(mounts, reverse=True):  # which an engine that was killed leaves
            if mount.startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for the length of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""What tests of the sdk installer share: a container engine of their own, and worlds for it."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysextlib.errors import SysextError
from sysextlib.system.cache import cache_root
from sysextlib.system.docker import Engine
from tests.builders.needs import require_root, require_tool
from tests.builders.portage_root import PortageRoot
from tests.builders.world import ROOT, World, make_world

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
STARTING = 60  # seconds for the daemon to answer
# The stand-in states this version; so must a base that is used with it.
OS_RELEASE = b'ID=sysext-demo\nVERSION_ID=1.0.0\nVERSION="1.0.0+build-7"\nBUILD_ID=build-7\n'


@dataclass(slots=True)
class Daemon:
    """A dockerd that the tests started, with all that it keeps below ``folder``."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        """What DOCKER_HOST is for it."""
        return f"unix://{self.folder}/docker.sock"

    @classmethod
    def start(cls, folder: Path) -> Daemon:
        """Start dockerd and wait until it answers."""
        words = [
            "dockerd",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--host=unix://{folder}/docker.sock",
            f"--pidfile={folder}/docker.pid",
            *OPTIONS,
        ]
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        with (folder / "dockerd.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": path},
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
                    tail = (folder / "dockerd.log").read_text()[-2000:]
                    raise AssertionError(f"dockerd does not answer:\n{tail}") from None
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
                self.process = Daemon.start(self.folder).process
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
        self, name: str, *, labels: Mapping[str, str] | None = None, sees: Path | None = None
    ) -> Iterator[str]:
        """Run a container of the SDK's stand-in that does nothing, as somebody else would.

        :param sees: a folder that is mounted in it, at /mnt/world; it may mount then.
        """
        from docker.types import Mount

        with self.client() as api:
            more: dict[str, Any] = {}
            if sees is not None:
                more["mounts"] = [Mount("/mnt/world", str(sees), type="bind", read_only=True)]
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


@contextlib.contextmanager
def sdk_daemon() -> Iterator[Daemon]:
    """Run a dockerd that has the SDK's stand-in, for the length of the block."""
    require_root()
    require_tool("dockerd", "mmdebstrap")
    folder = Path(tempfile.mkdtemp(prefix="sysextd-", dir="/tmp"))  # a socket's path must be short
    try:
        daemon = Daemon.start(folder)
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
        for mount in sorted(mounts, reverse=True):  # which a daemon that was killed leaves
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


HEAD = 'EAPI=8\nDESCRIPTION="x"\nSLOT="0"\nKEYWORDS="amd64"\nLICENSE="Test"\nS="${WORKDIR}"\n'
EBUILDS = {
    "app-misc/libgreet-1.1": HEAD
    + """
src_install() { insinto /usr/lib64; echo lib >x; newins x libgreet.so.1; }
""",
    "app-misc/hello-2.0-r1": HEAD
    + """
HOMEPAGE="https://hello.example"
RDEPEND="app-misc/libgreet"
src_install() {
    mkdir -p "${ED}"/usr/{bin,share/hello/private} "${ED}"/etc/hello.d || die
    cd "${ED}"/usr/share/hello || die
    echo one >"a b"; ln "a b" hard1; ln "a b" zhard; ln "a b" ../../bin/hard
    echo s >suid; chown 233:150 suid; chown 5:6 private; chmod 750 private
    echo in >private/in; ln -s ../hello link; ln -s /nowhere dangling; touch -h -d @1000 link
    echo old >old; touch -d @1 old; setfattr -n user.note -v hi suid || die
    printf "#!/bin/sh\\necho hello\\n" >"${ED}"/usr/bin/hello; chmod 755 "${ED}"/usr/bin/hello
    cp "${ED}"/usr/bin/hello "${ED}"/usr/bin/capable
    echo greeting >"${ED}"/etc/hello.d/hello.conf; echo ours >"${ED}"/etc/shared.conf
    keepdir /var/lib/hello
}
""",
    "app-misc/second-1": HEAD
    + """
RDEPEND="app-misc/libgreet"
src_install() { insinto /usr/share; dd if=/dev/zero bs=1M count=3 of=second; doins second; }
""",
    "app-misc/dies-1": HEAD
    + """
src_install() { dodir /usr/share/dies; echo d >"${ED}"/usr/share/dies/d; }
pkg_postinst() { die "the hook of dies gives up"; }
""",
    "app-misc/sleeps-1": HEAD
    + """
src_install() { dodir /usr/share/sleeps; echo z >"${ED}"/usr/share/sleeps/z; }
pkg_preinst() { sleep 300; }
""",
    "app-misc/fills-1": HEAD
    + """
src_install() { dodir /usr/share/fills; echo f >"${ED}"/usr/share/fills/f; }
pkg_preinst() { dd if=/dev/zero of="${T}"/fill bs=1M count=400 || die "cannot write"; }
""",
    "app-misc/lonely-1": HEAD + 'RDEPEND="app-misc/nowhere"\nsrc_install() { dodir /usr; }\n',
    "app-misc/flagged-1": HEAD
    + 'IUSE="shiny"\nsrc_install() { insinto /usr/share; echo f >flagged; doins flagged; }\n',
    "app-misc/blocker-1": HEAD + 'RDEPEND="!!sys-libs/glibc"\nsrc_install() { dodir /usr; }\n',
    "app-misc/pair-1": HEAD
    + 'RDEPEND="!!app-misc/hello"\nsrc_install() { insinto /usr; echo p >p; doins p; }\n',
    "app-misc/clash-1": HEAD
    + "src_install() { insinto /usr/lib64; echo other >x; newins x libgreet.so.1; }\n",
    "app-misc/hides-1": HEAD
    + """
src_install() { insinto /usr/share; echo h >hides; doins hides; }
pkg_postinst() { rm "${EROOT}"/usr/lib64/libc.so.6 || die; }
""",
    "app-misc/writes-1": HEAD
    + """
src_install() { insinto /usr/share; echo w >writes; doins writes; }
pkg_postinst() { date >"${EROOT}"/usr/share/made || die; }
""",
    "app-misc/masked-1": HEAD
    + """
src_install() {
    insinto /usr/share/man/man1; echo m >m.1; doins m.1
    insinto /usr/share; echo k >kept; doins kept
}
""",
    "app-misc/newer-1": HEAD
    + 'RDEPEND=">=sys-libs/glibc-3"\nsrc_install() { insinto /usr; echo n >n; doins n; }\n',
    "sys-libs/glibc-3.0": HEAD
    + "src_install() { insinto /usr/lib64; echo 3 >x; newins x libc.so.6; }\n",
}


def build_packages(folder: Path, ebuilds: Mapping[str, str]) -> Path:
    """Build binary packages with real Portage, and return the folder with their index."""
    place = PortageRoot.create(folder, ebuilds)
    packages = folder / "packages"
    atoms = [f"={cpv}" for cpv in ebuilds]
    # With all at once, one process of Portage serves them.
    place.call("emerge", "--quiet", "--buildpkgonly", "--nodeps", "--jobs=2", *atoms,
               env={"PKGDIR": str(packages)})  # fmt: skip
    place.call("emaint", "binhost", "--fix", env={"PKGDIR": str(packages)})
    return packages


def sdk_world(
    folder: Path, packages: Path, base: Mapping[str, bytes | str | None] | None = None
) -> World:
    """Make a world with these packages, on a base of the stand-in's version."""
    world = make_world(
        folder,
        base={"usr/lib/os-release": OS_RELEASE, "etc/shared.conf": b"the base's\n", **(base or {})},
    )
    shutil.rmtree(world.binhost)
    shutil.copytree(packages, world.binhost)
    return world

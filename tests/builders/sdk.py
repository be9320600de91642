"""What tests of the sdk installer share: packages, worlds, and builds in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import docker.errors
import pytest

from sysextlib.system.cache import cache_root
from tests.builders.engines import IMAGE
from tests.builders.portage_root import PortageRoot
from tests.builders.signals import heed_signals
from tests.builders.world import ROOT, World, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.builders.engines import Daemon

# The stand-in states this version; so must a base that is used with it.
OS_RELEASE = b'ID=sysext-demo\nVERSION_ID=1.0.0\nVERSION="1.0.0+build-7"\nBUILD_ID=build-7\n'
# who owns files of app-misc/hello
PASSWD = b"five:x:5:6::/:/bin/false\nhello:x:233:150::/:/bin/false\n"
GROUP = b"six:x:6:\nhello:x:150:\n"
LIBC = b"dir /usr/lib64\nobj /usr/lib64/libc.so.6 d41d8cd98f00b204e9800998ecf8427e 1700000000\n"
HELLO = ("hello", "app-misc/hello")

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
    echo in >private/in; ln -s ../hello link; ln -s /run/nowhere dangling; touch -h -d @1000 link
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
    "app-misc/empties-1": HEAD
    + """
src_install() { insinto /usr/share; echo e >empties; doins empties; }
pkg_postinst() { rm -r "${EROOT}"/usr/lib64 && mkdir "${EROOT}"/usr/lib64 || die; }
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
    paths: dict[str, bytes | str | None] = {
        "usr/lib/os-release": OS_RELEASE,
        "etc/shared.conf": b"the base's\n",
        "etc/passwd": PASSWD,
        "etc/group": GROUP,
        "var/db/pkg/sys-libs/glibc-2.40/CONTENTS": LIBC,
    }
    world = make_world(folder, base={**paths, **(base or {})})
    shutil.rmtree(world.binhost)
    shutil.copytree(packages, world.binhost)
    return world


def run(
    world: World, daemon: Daemon, *words: str, output: Path | None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a build in a container of this engine to its end."""
    flags = () if any(word.startswith("--sdk") for word in words) else ("--installer=sdk",)
    return world.run(*words, *flags, output=output, env={"DOCKER_HOST": daemon.host, **env})


def run_inside(
    world: World,
    daemon: Daemon,
    *words: str,
    output: Path,
    writable: Sequence[Path] = (),
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run a build by --installer=emerge in the SDK itself: a container that sees this Python.

    :param writable: folders that it may change; it sees the world and the cache besides.
    """
    if sys.base_prefix == "/usr":
        pytest.skip("the container cannot be given this Python beside its own /usr")
    key = world.folder / "payload.pem"
    if not key.exists():
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    seen = [sys.base_prefix, sys.prefix, ROOT, world.folder, cache_root()]
    binds = {str(path): {"bind": str(path), "mode": "ro"} for path in seen}
    binds |= {str(path): {"bind": str(path), "mode": "rw"} for path in writable}
    argv = world.argv(*words, "--installer=emerge", f"--payload_key={key}", output=output)
    known = {
        "SYSEXT_SIGNING_KEY_DIR": str(world.keys),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BUILD_SYSEXT_CACHE": str(cache_root()),
    }
    with daemon.client() as api:
        limits = api.create_host_config(
            binds=binds,
            cap_add=["SYS_ADMIN"],
            security_opt=["apparmor=unconfined"],
            network_mode="none",
        )
        made = api.create_container(
            IMAGE,
            argv,
            entrypoint=[],
            working_dir=str(ROOT),
            environment={**known, **env},
            host_config=limits,
        )
        try:
            api.start(made["Id"])
            code = api.wait(made["Id"])["StatusCode"]
            said = [
                api.logs(made["Id"], stdout=out, stderr=not out).decode() for out in (True, False)
            ]
        finally:
            api.remove_container(made["Id"], force=True, v=True)
    return subprocess.CompletedProcess(argv, code, *said)


@contextlib.contextmanager
def started(
    world: World, daemon: Daemon, *words: str, output: Path
) -> Iterator[subprocess.Popen[str]]:
    """Start a build in a container of this engine; whatever is left of it ends with the block."""
    process = subprocess.Popen(
        world.argv(*words, "--installer=sdk", output=output),
        env=world.environment(DOCKER_HOST=daemon.host),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_emerge(daemon: Daemon) -> str:
    """Return the id of the container in which a package's hook sleeps."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for name in daemon.containers():
            with contextlib.suppress(docker.errors.APIError):  # it is gone, or not yet running
                if "sleep 300" in daemon.programs(name):
                    return name
        time.sleep(0.2)
    raise AssertionError("the hook never began")


def visible(folder: Path) -> set[str]:
    """Return the names in a folder that do not begin with a dot."""
    return {name for name in os.listdir(folder) if not name.startswith(".")}

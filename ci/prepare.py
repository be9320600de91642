"""The steps of ci/setup; nothing but Python's standard library is there yet.

    ci/setup

1. System packages: PROGRAMS below is the one list of them. What is missing is installed with
   apt-get when this is root or sudo asks for no password, after the list was shown; anywhere else
   the programs to install are named.
2. .venv: from requirements.lock, every file checked against its hash. Kept while lock and Python
   stay the same.
3. The tools tree: image tools that are new enough, in the cache folder (ci/make-tools-tree).
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import os
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sysextlib.errors import MissingToolError, SysextError, ToolError  # noqa: E402
from sysextlib.system.run import run  # noqa: E402

LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "made-from"
SEARCH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Program:
    """Something that has to be on the machine.

    :param name: a program, or the absolute path of a file.
    :param package: what Debian and Ubuntu call the package that holds it.
    :param version: the oldest that will do; () when any will.
    """

    name: str
    package: str
    why: str
    version: tuple[int, ...] = ()
    ask: str = "--version"

    def fault(self) -> str:
        """Return what is wrong with it, or ""."""
        if self.name.startswith("/"):
            return "" if Path(self.name).exists() else "is not there"
        found = shutil.which(self.name, path=SEARCH)
        if found is None:
            return "is not there"
        if not self.version:
            return ""
        try:
            output = run([found, self.ask], codes=range(256), timeout=60)
        except SysextError as error:
            return f"does not run: {error.brief}"
        stated = re.search(rb"\d+(?:\.\d+)+", output.stdout + output.stderr)
        numbers = tuple(map(int, stated[0].split(b"."))) if stated else ()
        if numbers < self.version:
            return f"is {dotted(numbers) or 'of an unknown version'}"
        return ""

    def __str__(self) -> str:
        newer = f" >= {dotted(self.version)}" if self.version else ""
        return f"{self.name}{newer} ({self.why})"


# Debian 12, Debian 13 and Ubuntu 24.04 have all of these, and new enough.
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROGRAMS = (
    Program("git", "git", "tells the tests which files are the project's"),
    Program("bash", "bash", "the tests compare with it", (5,)),
    Program("mmdebstrap", "mmdebstrap", "unpacks Debian packages", (1, 3)),
    Program("apt-get", "apt", "mmdebstrap fetches with it", (2,)),
    Program("gpgv", "gpgv", "verifies releases; so does apt", (2, 2)),
    Program("gpg", "gnupg", "the tests sign releases with it", (2, 2)),
    Program(KEYRING, "debian-archive-keyring", "the keys of Debian's archive"),
    Program("zstd", "zstd", "packs binary packages", (1, 5)),
    Program("xz", "xz-utils", "unpacks Debian packages", (5,)),
    Program("bzip2", "bzip2", "the tests compare with it"),
    Program("strip", "binutils", "--strip_binaries", (2, 38)),
    Program("mksquashfs", "squashfs-tools", "packs base images", (4, 5), "-version"),
    Program("bwrap", "bubblewrap", "the sandbox of mangle programs", (0, 6)),
    Program("openssl", "openssl", "--module_key; the tests verify signatures", (3,), "version"),
    Program("shellcheck", "shellcheck", "checks the shell scripts", (0, 8)),
    Program("systemd-tmpfiles", "systemd", "the tests compare with it", (250,)),
    Program("depmod", "kmod", "the tests compare with it"),
    Program("setcap", "libcap2-bin", "the tests compare with it"),
    Program("setfattr", "attr", "the tests compare with it"),
    Program("mount", "mount", "the tests look into images with it"),
    Program("find", "findutils", "the tests compare with it"),
    Program("qemu-system-x86_64", "qemu-system-x86", "boots the tests' machine", (7,)),
    Program("mke2fs", "e2fsprogs", "makes its disks", (1, 46), "-V"),
    Program("dockerd", "docker.io", "the tests merge in containers of it", (20, 10)),
    Program("podman", "podman", "the tests merge in containers of it too", (4,)),
    Program("docker-registry", "docker-registry", "the tests pull images from it"),
    Program("unshare", "util-linux", "emerge merges in namespaces of its own", (2, 32)),
)
PROGRAMS_WITHOUT_ROOT = (Program("newuidmap", "uidmap", "mmdebstrap without root"),)


def main() -> int:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    try:
        install_system_packages()
        make_venv()
        make_tools_tree()
    except SysextError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def install_system_packages() -> None:
    missing = faults()
    if not missing:
        print(f"system packages: all {len(needed())} programs are there")
        return
    packages = sorted({program.package for program in missing})
    prefix = administrator() if shutil.which("apt-get", path=SEARCH) else None
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if prefix is None:
        raise cannot_install(missing, install)
    print("system packages: these programs are needed:")
    for program, fault in missing.items():
        print(f"  {program} {fault}")
    print(f"running: {' '.join([*prefix, *install])}", flush=True)
    started = time.monotonic()
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    run([*apt, "apt-get", "update", "-qq"], env=proxies(), name="apt-get", timeout=1800)
    run([*apt, *install, "-qq"], env=proxies(), name="apt-get", timeout=3600)
    print(f"installed in {time.monotonic() - started:.0f} s")
    missing = faults()
    if missing:
        raise cannot_install(missing, install)


def needed() -> tuple[Program, ...]:
    venv = () if has_venv() else (venv_package(),)
    return (*PROGRAMS, *(PROGRAMS_WITHOUT_ROOT if os.geteuid() else ()), *venv)


def faults() -> dict[Program, str]:
    """Return what is wrong with each program that cannot be used."""
    programs = needed()
    with ThreadPoolExecutor(8) as pool:
        found = zip(programs, pool.map(Program.fault, programs), strict=True)
        return {program: fault for program, fault in found if fault}


def cannot_install(missing: dict[Program, str], install: list[str]) -> MissingToolError:
    if shutil.which("apt-get", path=SEARCH):
        hint = f"as root, run: apt-get update && {' '.join(install)}"
    else:
        hint = "install them with this system's package manager, then run ci/setup again"
    return MissingToolError(
        "programs are missing or too old, and cannot be installed from here",
        {str(program): fault for program, fault in missing.items()},
        hint,
    )


@functools.cache
def administrator() -> list[str] | None:
    """Return what a command starts with so that root runs it, or None when that cannot be."""
    if os.geteuid() == 0:
        return []
    try:
        run(["sudo", "-n", "true"])
    except SysextError:
        return None
    return ["sudo", "-n"]


def has_venv() -> bool:
    """Tell whether this Python can make virtual environments; Debian splits that part off."""
    importlib.invalidate_caches()  # it may have been installed a moment ago
    try:
        import ensurepip
        import venv
    except ImportError:
        return False
    return bool(ensurepip.version() and venv.__file__)


def venv_package() -> Program:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    module = Path(os.__file__).parent / "ensurepip/__init__.py"
    return Program(str(module), f"python{version}-venv", "Python's venv module")


def make_venv() -> None:
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stamp = f"requirements.lock {lock}, Python {python}\n"
    if (VENV / "bin/python").exists() and STAMP.is_file() and STAMP.read_text() == stamp:
        print(f"virtual environment: .venv is up to date (Python {python})")
        return
    pins = re.findall(r"^([a-z0-9-]+==\S+)(.*)", LOCK.read_text(), re.MULTILINE)
    names = [pin for pin, condition in pins if "win32" not in condition]
    print(f"virtual environment: installing into .venv with Python {python}, hashes checked:")
    print("  " + " ".join(names), flush=True)
    started = time.monotonic()
    # The stamp goes first and comes back last: what a killed run leaves is not taken for whole.
    STAMP.unlink(missing_ok=True)
    clear = [] if venv_fits(python) else ["--clear"]
    run([sys.executable, "-m", "venv", *clear, VENV], env=surroundings(), name="venv")
    try:
        run(
            [VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input",
             "install", "--quiet", "--root-user-action=ignore", "--require-hashes", "--no-deps",
             "--only-binary=:all:", "--requirement", LOCK],
            env=surroundings(), name="pip", timeout=3600,
        )  # fmt: skip
    except ToolError as error:
        error.hint = "is the package index reachable? pip reads its settings as ever"
        raise
    STAMP.write_text(stamp)
    print(f"installed in {time.monotonic() - started:.0f} s")


def venv_fits(python: str) -> bool:
    """Tell whether .venv is there, runs, and is of this Python."""
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        found = run([VENV / "bin/python", "-c", code], timeout=60)
    except (SysextError, OSError):
        return False
    return found.stdout.decode().strip() == python


def make_tools_tree() -> None:
    made = run(
        [VENV / "bin/python", "-B", ROOT / "ci/make-tools-tree"],
        env=surroundings(),
        name="ci/make-tools-tree",
        timeout=3600,
    )
    print(made.stdout.decode(), end="")


def surroundings() -> dict[str, str]:
    """Return this process's environment, which holds pip's settings, HOME and proxies."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def proxies() -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}


def dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


if __name__ == "__main__":
    sys.exit(main())

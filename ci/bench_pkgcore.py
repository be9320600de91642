"""Metadata of whole repositories by pkgcore, in a virtual environment of the benchmark's own."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ci.bench_cost import Cost, Stopwatch
from sysextlib.errors import SysextError
from sysextlib.system.cache import cache_root
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOCK: Final = Path(__file__).resolve().parent / "bench-pkgcore.lock"
HOUR: Final = 3600  # seconds
SETTINGS: Final = {
    "profiles/repo_name": "bench-settings\n",
    "profiles/arch.list": "amd64\n",
    "profiles/profiles.desc": "amd64 p stable\n",
    "profiles/categories": "",
    "profiles/p/eapi": "8\n",
    "profiles/p/make.defaults": 'ARCH="amd64"\nACCEPT_KEYWORDS="amd64"\n',
    "metadata/layout.conf": "masters =\n",
}


def measure_pkgcore(named: Sequence[str], places: Mapping[str, Path], work: Path) -> Cost | None:
    """Print what ``pmaint regen`` costs, one process; return it, or None when it did not run.

    :param named: the repositories that are asked for. :param places: these and those that they
        build on, without caches.
    """
    try:
        pmaint = environment() / "bin/pmaint"
        version = run([pmaint, "--version"], timeout=60).stdout.decode().split()[1]
        config = write_config(places, work)
        total = Cost()
        for name in named:
            argv: list[str | Path] = [pmaint, "--config", config, "regen", "--threads", "1", name]
            with Stopwatch() as watch:
                run(argv, codes=(0, 1), timeout=HOUR)  # 1: an ebuild was refused
            cache = places[name] / "metadata/md5-cache"
            written = sum(1 for path in cache.glob("*/*") if path.is_file())
            print(f"  pmaint regen {name:<15} {watch.cost}   {written} entries")
            total += watch.cost
    except SysextError as error:
        print(f"  pkgcore: not measured\n{error}")
        return None
    print(f"  pmaint regen of all          {total}   pkgcore {version}")
    return total


def write_config(places: Mapping[str, Path], work: Path) -> Path:
    """Write a configuration with a profile that any machine can read; return its folder."""
    own = work / "settings"
    for name, text in SETTINGS.items():
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = work / "config"
    config.mkdir()
    (config / "make.conf").write_text("")
    (config / "make.profile").symlink_to(own / "profiles/p")
    (config / "repos.conf").write_text(
        "[DEFAULT]\nmain-repo = bench-settings\n"
        + "".join(f"[{name}]\nlocation = {place}\n" for name, place in places.items())
        + f"[bench-settings]\nlocation = {own}\n"
    )
    return config


def environment() -> Path:
    """Return a virtual environment with pkgcore, made in the cache at the first call.

    :raises ToolError: it cannot be made, such as without a package index.
    """
    made_from = f"{LOCK.read_text()}\n{sys.version}"
    folder = cache_root() / "bench-pkgcore" / hashlib.sha256(made_from.encode()).hexdigest()[:16]
    whole = folder / "whole"  # written last: what a killed run leaves is made anew
    if not whole.exists():
        run([sys.executable, "-m", "venv", "--clear", folder], env=os.environ, name="venv")
        install = ["install", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:"]
        pip: list[str | Path] = [
            folder / "bin/python",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
        ]
        run([*pip, *install, "--requirement", LOCK], env=os.environ, name="pip", timeout=HOUR)
        whole.touch()
    return folder

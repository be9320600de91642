"""Real ``emerge --pretend`` on scenarios: one process that has Portage loaded, a fork for each.

Portage needs a root of its own: a profile, make.conf and repos.conf in a config root, the base as
a VDB, and binary packages with their index. Starting Python and loading Portage is most of
what a run costs, so the runs of a batch share it; each fork then calls the entry point that
the ``emerge`` program calls, with its own environment and arguments.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import sys
import tempfile
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysextlib.system.run import run
from tests.builders.binpkg import PackageSpec, write_binhost
from tests.builders.portage_root import FEATURES, REPOS_CONF, write_profile
from tests.builders.scenario import index_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.gentoo.package import Package
    from tests.builders.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = (
    "--pretend",
    "--usepkgonly",
    "--binpkg-respect-use=y",
    "--oneshot",
    "--verbose",
    "--color=n",
)
# What the system that emerge runs on has, whatever the scenario: IDEPEND is looked for there.
HOST_PACKAGE = "sys-host/tool-1"
_MERGE = re.compile(r"^\[binary[^\]]*\] (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What emerge did: its exit code, all it printed, and what it would merge, in order."""

    code: int
    output: str

    @property
    def merged(self) -> tuple[str, ...]:
        """The packages as cpv-BUILD_ID."""
        return tuple(m.partition(":")[0] for m in _MERGE.findall(self.output))


def pretend(scenarios: Sequence[Scenario], folder: Path, *, jobs: int = 2) -> dict[str, Outcome]:
    """Run real emerge on each scenario and return its outcome by the scenario's name."""
    _write_common(folder)
    cases = {}
    for scenario in scenarios:
        home = folder / scenario.name
        _write_scenario(scenario, home, folder)
        cases[scenario.name] = {
            "env": {
                "PORTAGE_CONFIGROOT": str(home),
                "ROOT": str(home / "root"),
                "SYSROOT": str(home / "root"),
                "PKGDIR": str(home / "packages"),
                "USE": " ".join(scenario.environment),
            },
            "argv": [*OPTIONS, *scenario.wanted],
        }
    manifest = folder / "cases.json"
    manifest.write_text(json.dumps({"jobs": jobs, "cases": cases}))
    env = {
        "PORTAGE_REPOSITORIES": REPOS_CONF.format(folder / "repo"),
        "EPREFIX": "",
        "PORTAGE_OVERRIDE_EPREFIX": str(folder / "host"),
        # Portage gives what it writes to this user, which only a user's own name lets it do.
        "PORTAGE_USERNAME": pwd.getpwuid(os.getuid()).pw_name,
        "PORTAGE_GRPNAME": grp.getgrgid(os.getgid()).gr_name,
        "HOME": "/root",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
    }
    argv: list[str | Path] = [sys.executable, "-m", "tests.builders.emerge", manifest]
    result = run(argv, cwd=ROOT, env=env, timeout=600)
    return {name: Outcome(*found) for name, found in json.loads(result.stdout).items()}


def _write_common(folder: Path) -> None:
    """Write the repository with the profile, and what stands for the running system."""
    write_profile(folder / "repo", 'IUSE_IMPLICIT="prefix"\n')
    host = folder / "host"
    _write_config(host, folder, "")
    (host / "share").mkdir(exist_ok=True)
    share = host / "share/portage"
    if not share.is_symlink():
        share.symlink_to(Path(sys.prefix) / "share/portage")
    _write_installed(host / "var/db/pkg", HOST_PACKAGE, {"SLOT": "0", "EAPI": "8"}, 1)


def _write_config(home: Path, folder: Path, make_conf: str) -> None:
    config = home / "etc/portage"
    config.mkdir(parents=True, exist_ok=True)
    link = config / "make.profile"
    if not link.is_symlink():
        link.symlink_to(folder / "repo/profiles/p")
    (config / "make.conf").write_text(f'FEATURES="{FEATURES}"\n{make_conf}')


def _write_scenario(scenario: Scenario, home: Path, folder: Path) -> None:
    make_conf = f'USE="{" ".join(scenario.everywhere)}"\n'
    _write_config(home, folder, make_conf)
    config = home / "etc/portage"
    (config / "package.use").write_text(
        "".join(f"{atom} {' '.join(flags)}\n" for atom, flags in scenario.package_use)
    )
    (config / "profile").mkdir(exist_ok=True)
    (config / "profile/package.provided").write_text("\n".join(scenario.provided) + "\n")
    vdb = home / "root/var/db/pkg"
    vdb.mkdir(parents=True)
    for number, package in enumerate(scenario.installed, 1):
        _write_installed(vdb, str(package.cpv), index_keys(package), number)
    write_binhost(
        home / "packages",
        map(_spec, scenario.available),
        header={"ARCH": "amd64", "CHOST": "x86_64-pc-linux-gnu"},
    )


def _spec(package: Package) -> PackageSpec:
    return PackageSpec(
        cpv=str(package.cpv),
        metadata=index_keys(package),
        form="xpak",
        compression="none",
        build_id=package.build_id,
    )


def _write_installed(vdb: Path, cpv: str, keys: Mapping[str, str], counter: int) -> None:
    entry = vdb / cpv
    entry.mkdir(parents=True, exist_ok=True)
    category, _, pf = cpv.partition("/")
    own = {"CATEGORY": category, "PF": pf, "COUNTER": str(counter), "CONTENTS": ""}
    for key, value in {**keys, **own}.items():
        (entry / key).write_text(f"{value}\n" if value else "")


def _main(manifest: Path) -> None:
    """Run the cases of a manifest and print their outcomes as JSON: [code, output] by name."""
    plan: dict[str, Any] = json.loads(manifest.read_text())
    emerge_main = import_module("_emerge.main").emerge_main
    for name in ("actions", "depgraph", "resolver.output", "stdout_spinner", "post_emerge"):
        import_module(f"_emerge.{name}")
    outcomes: dict[str, tuple[int, str]] = {}
    running: dict[int, tuple[str, str]] = {}
    waiting = list(plan["cases"].items())
    with tempfile.TemporaryDirectory() as scratch:
        while waiting or running:
            while waiting and len(running) < plan["jobs"]:
                name, case = waiting.pop(0)
                log = str(Path(scratch) / str(len(waiting)))
                pid = os.fork()
                if not pid:
                    _child(emerge_main, case, log)
                running[pid] = name, log
            pid, status = os.wait()
            name, log = running.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            outcomes[name] = code, Path(log).read_text(errors="replace")
    sys.stdout.write(json.dumps(outcomes))


def _child(emerge_main: Any, case: Mapping[str, Any], log: str) -> None:
    """Be emerge with this case's environment and arguments, and end."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.environ.update(case["env"])
    sys.argv = ["emerge", *case["argv"]]
    code = 70
    try:
        code = emerge_main(case["argv"]) or 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # what a crash of Portage prints belongs to the outcome
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

"""Real Portage, kept from the host: every path that it reads or writes lies in one work folder."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.demo_board.recipe import CHECKOUT
from sysextlib.errors import MissingToolError, ToolError
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TAIL = 30  # lines of a log that an error shows
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# IDEPEND of binary packages (fcaps.eclass) is wanted on the system that installs. What it names
# is claimed there: in the root's own settings it would keep the package out of the root as well.
HOST_PROVIDES = "sys-libs/libcap-2.66\n"

# pax-utils of the build root, by the loader and the libraries of the build root.
SCANELF = """#!/bin/sh
exec {root}/usr/lib64/ld-linux-x86-64.so.2 --library-path {root}/usr/lib/x86_64-linux-gnu \\
    {root}/usr/bin/scanelf "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portage:
    """Where one Portage reads and writes.

    :param programs: the folder that holds emerge.
    :param work: for everything that is thrown away at the end, logs among it.
    :param overlay: the ebuild repository.
    :param config: what holds etc/portage.
    :param packages: PKGDIR.
    :param extra: variables that ebuilds of this board read.
    """

    programs: Path
    work: Path
    overlay: Path
    config: Path
    packages: Path
    extra: Mapping[str, str]
    jobs: int

    def prepare(self) -> None:
        """Make the folders and files that Portage expects of its host.

        It takes PORTAGE_OVERRIDE_EPREFIX for the root of the running system, reads a profile
        there and notes there what is installed.
        """
        host = self.work / "host"
        (host / "share").mkdir(parents=True)
        (host / "var/db/pkg").mkdir(parents=True)
        settings = host / "etc/portage"
        (settings / "profile").mkdir(parents=True)
        (settings / "profile/package.provided").write_text(HOST_PROVIDES, encoding="utf-8")
        for name in ("make.conf", "make.profile"):
            (settings / name).symlink_to(self.config / "etc/portage" / name)
        (host / "share/portage").symlink_to(self.programs.parent / "share/portage")
        programs = self.work / "bin"
        programs.mkdir()
        (programs / "gtar").symlink_to(shutil.which("tar", path=SYSTEM_PATH) or "/usr/bin/tar")
        scanelf = programs / "scanelf"
        scanelf.write_text(SCANELF.format(root=self.work / "buildroot"), encoding="utf-8")
        scanelf.chmod(0o755)
        for name in ("tmp", "logs", "distfiles"):
            (self.work / name).mkdir()
        self.packages.mkdir(exist_ok=True)

    def emerge(
        self, words: Sequence[str], root: Path, log: str, env: Mapping[str, str] | None = None
    ) -> None:
        """Run emerge for the system in ``root``.

        :raises ToolError: it failed; the end of its log is shown, the whole named.
        """
        options = ["--quiet", "--oneshot", "--keep-going", f"--jobs={self.jobs}"]
        places = {
            "ROOT": str(root),
            "SYSROOT": str(root),
            "PORTAGE_LOGDIR": str(self.work / "logs"),
        }
        root.mkdir(exist_ok=True)
        self._run(["emerge", *options, *words], log, {**places, **(env or {})})

    def write_cache(self) -> None:
        """Write metadata/md5-cache of the overlay."""
        conf = ["--config-root", str(self.config), "--repositories-configuration", self._repos()]
        self._run(["egencache", *conf, "--update", "--repo", "demo", f"--jobs={self.jobs}"],
                  "egencache", {})  # fmt: skip

    def write_index(self) -> None:
        """Write PKGDIR's Packages and Packages.gz from the packages themselves."""
        self._run(["emaint", "binhost", "--fix"], "binhost", {"ROOT": str(self.work / "none")})

    def _repos(self) -> str:
        return f"[DEFAULT]\nmain-repo = demo\n[demo]\nlocation = {self.overlay}\nauto-sync = no\n"

    def _run(self, words: Sequence[str], log: str, env: Mapping[str, str]) -> None:
        variables = {
            "HOME": "/root",
            "TERM": "dumb",
            "NOCOLOR": "true",
            "LANG": "C.UTF-8",
            "PATH": f"{self.work}/bin:{SYSTEM_PATH}",
            "EPREFIX": "",
            "PORTAGE_CONFIGROOT": str(self.config),
            "PORTAGE_OVERRIDE_EPREFIX": str(self.work / "host"),
            "PORTAGE_REPOSITORIES": self._repos(),
            "PORTAGE_USERNAME": "root",
            "PORTAGE_GRPNAME": "root",
            "PORTAGE_TMPDIR": str(self.work / "tmp"),
            "PORTAGE_DEPCACHEDIR": str(self.work / "depcache"),
            "DISTDIR": str(self.work / "distfiles"),
            "PKGDIR": str(self.packages),
            **self.extra,
            **env,
        }
        program = [str(self.programs / words[0]), *words[1:]]
        path = self.work / "logs" / f"{log}.log"
        with path.open("wb") as stream:
            try:
                # an emerge that outlives this program would write on after the lock is gone
                command = ["setpriv", "--pdeathsig", "KILL", "--", *program]
                result = run(command, env=variables, stdout=stream, name=words[0])
                stream.write(result.stderr)
            except ToolError as error:
                stream.write(error.facts.get("last output", "").encode())
                raise ToolError(
                    f"{words[0]} failed in step {log!r}",
                    {"last lines": _tail(path), "whole log": path, "logs of packages": path.parent},
                ) from error


def find_programs() -> Path:
    """Return the folder that holds emerge: beside this Python, or in the checkout's .venv.

    :raises MissingToolError: Portage is in neither.
    """
    for folder in (Path(sys.prefix) / "bin", CHECKOUT / ".venv/bin"):
        if (folder / "emerge").exists():
            return folder
    raise MissingToolError(
        "Portage is not installed",
        {"looked for": f"emerge in {Path(sys.prefix) / 'bin'} and {CHECKOUT / '.venv/bin'}"},
        "run ci/setup, which makes .venv",
    )


def portage_version(programs: Path) -> str:
    """Return the version of the Portage there, without starting it."""
    for folder in sorted(programs.parent.glob("lib/python3*/site-packages/portage-*.dist-info")):
        return folder.name.removeprefix("portage-").removesuffix(".dist-info")
    return "unknown"


def _tail(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 16384), os.SEEK_SET)
        lines = stream.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL:])

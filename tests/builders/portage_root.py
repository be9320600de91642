"""A place where real Portage builds, indexes and installs packages without touching the host."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.system.run import Result, run
from tests.builders.binpkg import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROFILE = """\
ARCH="amd64"
ACCEPT_KEYWORDS="amd64"
ACCEPT_LICENSE="*"
CHOST="x86_64-pc-linux-gnu"
KERNEL="linux"
ELIBC="glibc"
USE_EXPAND="KERNEL ELIBC"
USE_EXPAND_IMPLICIT="ARCH KERNEL ELIBC"
USE_EXPAND_UNPREFIXED="ARCH"
USE_EXPAND_VALUES_ARCH="amd64"
USE_EXPAND_VALUES_KERNEL="linux"
USE_EXPAND_VALUES_ELIBC="glibc"
"""
AS_ROOT = 'PORTAGE_USERNAME="root"\nPORTAGE_GRPNAME="root"\n'
FEATURES = (
    "-sandbox -usersandbox -userpriv -userfetch -usersync -ipc-sandbox -network-sandbox "
    "-pid-sandbox -mount-sandbox -news -merge-wait -merge-sync binpkg-multi-instance"
)
REPOS_CONF = "[DEFAULT]\nmain-repo = test\n[test]\nlocation = {}\nauto-sync = no\n"


def write_profile(repo: Path, more: str) -> Path:
    """Write a repository of one profile, with ``more`` in its make.defaults; return the profile."""
    profile = repo / "profiles/p"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "eapi").write_text("8\n")
    (profile / "make.defaults").write_text(PROFILE + more)
    (profile.parent / "repo_name").write_text("test\n")
    (profile.parent / "arch.list").write_text("amd64\n")
    layout = repo / "metadata/layout.conf"
    layout.parent.mkdir(exist_ok=True)
    layout.write_text("thin-manifests = true\nsign-manifests = false\nmasters =\n")
    return profile


@dataclass(frozen=True)
class PortageRoot:
    """A config root, a repository with one profile, and an empty ROOT, all below ``folder``."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, ebuilds: Mapping[str, str]) -> PortageRoot:
        """Lay it out; ``ebuilds`` are texts by cpv."""
        here = cls(folder)
        profile = write_profile(folder / "repo", AS_ROOT)
        categories = sorted({cpv.partition("/")[0] for cpv in ebuilds})
        (profile.parent / "categories").write_text("".join(f"{name}\n" for name in categories))
        licence = folder / "repo/licenses/Test"
        licence.parent.mkdir()
        licence.write_text("anything goes\n")
        for cpv, text in ebuilds.items():
            category, _, pf = cpv.partition("/")
            path = folder / "repo" / category / name_of(pf) / f"{pf}.ebuild"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        config = folder / "conf/etc/portage"
        config.mkdir(parents=True)
        (config / "make.profile").symlink_to(profile)
        (config / "make.conf").write_text(f'FEATURES="{FEATURES} xattr"\n')
        host = folder / "host"
        (host / "share").mkdir(parents=True)
        (host / "etc").symlink_to(folder / "conf/etc")
        (host / "share/portage").symlink_to(Path(sys.prefix) / "share/portage")
        (folder / "bin").mkdir()
        (folder / "bin/gtar").symlink_to(shutil.which("tar") or "/bin/tar")
        (folder / "tmp").mkdir()
        here.root.mkdir()
        return here

    @property
    def root(self) -> Path:
        """Where packages are installed."""
        return self.folder / "root"

    def call(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        codes: Sequence[int] = (0,),
        timeout: float = 300,
    ) -> Result:
        """Run a program of Portage's; PKGDIR is ``folder``/packages unless ``env`` names one."""
        program = Path(sys.prefix) / "bin" / argv[0]
        return run(
            [program, *argv[1:]], env={**self._env(), **(env or {})}, codes=codes, timeout=timeout
        )

    def ask(self, code: str) -> bytes:
        """Run Python that has Portage's database of installed packages as ``vardb``."""
        start = "import portage; vardb = portage.db[portage.root]['vartree'].dbapi\n"
        start = start.replace("portage.root", repr(f"{self.root}/"))
        return run([sys.executable, "-c", start + code], env=self._env(), timeout=60).stdout

    def build(
        self, atom: str, pkgdir: Path, *, form: str, compression: str, features: str = ""
    ) -> None:
        """Build a binary package without its dependencies."""
        env = {
            "PKGDIR": str(pkgdir),
            "BINPKG_FORMAT": form,
            "BINPKG_COMPRESS": "" if compression == "none" else compression,
            "FEATURES": f"{FEATURES} xattr {features}",
        }
        self.call("emerge", "--quiet", "--buildpkgonly", "--nodeps", atom, env=env)

    def _env(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{Path(sys.prefix) / 'bin'}"
        return {
            "PATH": f"{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PORTAGE_REPOSITORIES": REPOS_CONF.format(self.folder / "repo"),
            "PORTAGE_CONFIGROOT": str(self.folder / "conf"),
            "EPREFIX": "",
            "PORTAGE_OVERRIDE_EPREFIX": str(self.folder / "host"),
            "ROOT": str(self.root),
            "SYSROOT": str(self.root),
            "PKGDIR": str(self.folder / "packages"),
            "PORTAGE_TMPDIR": str(self.folder / "tmp"),
            "PORTAGE_USERNAME": "root",
            "PORTAGE_GRPNAME": "root",
            "HOME": "/root",
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        }

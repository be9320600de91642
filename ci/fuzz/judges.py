"""Asks bash and Portage what scripts and ebuilds come to, in a cage: random scripts may do harm."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sysextlib.errors import ToolError
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.gentoo.cpv import Cpv

ANY: Final = range(256)  # exit codes
COMPAT: Final = {5: "3.2", 6: "4.2", 7: "4.2", 8: "5.0"}  # BASH_COMPAT of an EAPI
_LOOP: Final = r"""
for file in "$2"/*.sh; do
    /bin/bash --norc "$2/judge" "${file}" "$1" < /dev/null > /dev/null 2> "${file%.sh}.err"
done
"""
_ONE: Final = r"""
BASH_COMPAT=$2
shopt -u patsub_replacement globskipdots
ulimit -t 2
command_not_found_handle() { exit 99; }
out=${1%.sh}.out
file=$1
set --
[[ ${BASH_COMPAT} != 3.2 ]] && shopt -s failglob
if :; then
    source "${file}" || exit 98
    printf '%s' "${X}" > "${out}"
fi
"""


def cage(writable: Path) -> list[str]:
    """Return the words before a program that may write to one folder only, and reach nothing."""
    program = shutil.which("bwrap")
    if program is None:
        raise SystemExit("error: bwrap is not installed, and random scripts need a cage")
    return [
        program, "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/run", "--unshare-pid",
        "--unshare-net", "--die-with-parent", "--bind", str(writable), str(writable),
    ]  # fmt: skip


def ask_bash(folder: Path, eapi: int) -> None:
    """Run every NAME.sh of a folder; what it leaves in X comes into NAME.out."""
    argv = [
        *cage(folder),
        "--chdir",
        str(folder / "here"),
        "--clearenv",
        "--setenv",
        "PATH",
        "/none",
    ]
    argv += ["--setenv", "LC_ALL", "C.UTF-8"]
    argv += ["/bin/bash", "--norc", "-c", _LOOP, "bash", COMPAT[eapi], str(folder)]
    (folder / "judge").write_text(_ONE)
    (folder / "here").mkdir(exist_ok=True)
    run(argv, codes=ANY, timeout=300)


@functools.cache
def judges_eapi_9() -> bool:
    """Tell whether this machine's bash is new enough for Portage to read an ebuild of EAPI 9."""
    script = "(( BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 503 ))"
    return run(["/bin/bash", "-c", script], codes=ANY).code == 0


@dataclass(frozen=True)
class PortageJudge:
    """Runs Portage's own ebuild.sh in the depend phase.

    :param work: a folder for what it needs. :param eclasses: repositories, the first wins.
    """

    work: Path
    eclasses: Sequence[Path]

    def values(self, ebuild: Path, cpv: Cpv, eapi: str) -> Mapping[str, str] | None:
        """Return the keys that Portage prints for an ebuild, or None when it refuses it."""
        place = Path(sys.prefix) / "lib/portage/bin"
        temp = self.work / "temp"
        temp.mkdir(parents=True, exist_ok=True)
        version = cpv.version
        bare = str(version.without_revision)
        build = f"/var/tmp/portage/{cpv.category}/{cpv.name}-{cpv.pvr}"
        env = {
            "PORTAGE_BIN_PATH": str(place), "PORTAGE_PIPE_FD": "9", "EBUILD_PHASE": "depend",
            "EBUILD": str(ebuild), "EAPI": eapi, "CATEGORY": cpv.category, "PN": cpv.name,
            "P": f"{cpv.name}-{bare}", "PV": bare, "PR": f"r{version.revision}",
            "PVR": ebuild.stem.removeprefix(f"{cpv.name}-"), "PF": ebuild.stem,
            "PORTAGE_ECLASS_LOCATIONS": " ".join(f"'{path}'" for path in self.eclasses),
            "PORTAGE_TMPDIR": "/var/tmp", "WORKDIR": f"{build}/work", "T": f"{build}/temp",
            "FILESDIR": f"{build}/files", "DISTDIR": f"{build}/distdir", "D": f"{build}/image",
            "SANDBOX_LOG": "/nowhere/sandbox.log", "FEATURES": "", "PORTAGE_QUIET": "1",
            "NOCOLOR": "true", "NO_COLOR": "true", "LC_ALL": "C.UTF-8", "TERM": "dumb",
            "PATH": os.environ["PATH"], "PORTAGE_PYM_PATH": str(self.work / "here"), "ROOT": "",
            "SYSROOT": "",
        }  # fmt: skip
        here = self.work / "here"
        for name in ("portage", "_emerge", "gnupg"):
            (here / name).mkdir(parents=True, exist_ok=True)
        out = self.work / "answer"
        out.unlink(missing_ok=True)
        script = 'ulimit -t 5 -v 2000000; exec 9> "$1"; exec /bin/bash "$2" depend'
        argv = [*cage(self.work), "--chdir", str(here), "/bin/bash", "-c", script, "bash"]
        argv += [str(out), str(place / "ebuild.sh")]
        try:
            done = run(argv, env=env, codes=ANY, timeout=30)
        except ToolError:
            return None
        (self.work / "told").write_bytes(done.stderr[-4000:])
        if done.code != 0 or not out.exists():
            return None
        text = out.read_bytes().decode("utf-8", "replace")  # as Portage has it
        found: dict[str, str] = {}
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            if not equals:
                return None
            found[key] = value
        if found.get("EAPI") != eapi:
            return None
        return found

    def told(self, ebuild: Path) -> str:
        """Return what Portage said of the ebuild that it was asked last."""
        text = (self.work / "told").read_text(errors="replace")
        return text.replace(str(ebuild), ebuild.name)

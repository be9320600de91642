"""The metadata of an ebuild, key by key as Portage writes it."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sysextlib.ebuild.eapi_line import eapi_of
from sysextlib.ebuild.failure import (
    AbortedCommandError,
    ScriptError,
    ScriptSyntaxError,
    UnsupportedError,
    refused,
)
from sysextlib.ebuild.fields import DEFAULT_IFS, split_fields
from sysextlib.ebuild.flow import Frame, LoopEnd
from sysextlib.ebuild.output import echo_text
from sysextlib.ebuild.package_manager import EbuildShell
from sysextlib.ebuild.parser import parse_file
from sysextlib.errors import EbuildError, SysextError
from sysextlib.gentoo.eapi import EAPIS, features

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sysextlib.ebuild.repository import EclassSource
    from sysextlib.gentoo.cpv import Cpv

KEYS: Final = (
    "BDEPEND", "DEFINED_PHASES", "DEPEND", "DESCRIPTION", "EAPI", "HOMEPAGE", "IDEPEND", "INHERIT",
    "IUSE", "KEYWORDS", "LICENSE", "PDEPEND", "PROPERTIES", "RDEPEND", "REQUIRED_USE", "RESTRICT",
    "SLOT", "SRC_URI",
)  # fmt: skip
"""The keys of an entry of md5-cache, in its order."""

_PHASES: Final = (
    ("src_compile", 0), ("pkg_config", 0), ("src_configure", 2), ("pkg_info", 0),
    ("src_install", 0), ("pkg_nofetch", 0), ("pkg_postinst", 0), ("pkg_postrm", 0),
    ("pkg_preinst", 0), ("src_prepare", 2), ("pkg_prerm", 0), ("pkg_pretend", 4), ("pkg_setup", 0),
    ("src_test", 0), ("src_unpack", 0),
)  # fmt: skip
"""Phase functions and the first EAPI that has them, in the order of DEFINED_PHASES."""

_LINE_BREAK: Final = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
"""What Portage's reader of these values takes for the end of a line."""

_PYTHON_DEPTH: Final = 4000
"""Python calls within each other: the deepest nesting that the budget allows needs half."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an ebuild says of itself.

    :param values: every key that is not empty, in ASCII order.
    :param eclasses: name and MD5 of every eclass that was sourced, sorted by name.
    :param md5: of the ebuild.
    :param others: variables outside the keys that were asked for.
    """

    values: Mapping[str, str]
    eclasses: tuple[tuple[str, str], ...]
    md5: str
    others: Mapping[str, str] = field(default_factory=dict)

    def value(self, key: str) -> str:
        """Return a key, "" when it is empty."""
        return self.values.get(key, "")


def evaluate_ebuild(
    data: bytes, cpv: Cpv, file: str, source: EclassSource, wanted: Iterable[str] = ()
) -> Metadata:
    """Evaluate the global scope of an ebuild.

    :param file: what errors call it. :param wanted: names of further variables to return.
    :raises EbuildError: it is wrong, or has what is not supported; with file, line and construct.
    """
    text = data.decode("utf-8", "surrogateescape")
    eapi, line = eapi_of(text)
    if eapi not in EAPIS:
        brief = f"unknown EAPI {eapi[:40]!r}" if eapi else "an empty EAPI"
        raise refused(brief, file, line or 1, hint="known: " + ", ".join(EAPIS))
    block = parse_file(text, file)
    shell = EbuildShell(int(eapi), source)
    _set_environment(shell, cpv)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _PYTHON_DEPTH))
    try:
        status = _run(shell, block, file)
        values = _values(shell, eapi, file, status)
        others = {name: _own(shell, name) for name in wanted}
    finally:
        sys.setrecursionlimit(limit)
    eclasses = tuple(sorted((name, eclass.md5) for name, eclass in shell.eclasses.items()))
    return Metadata(values, eclasses, hashlib.md5(data, usedforsecurity=False).hexdigest(), others)


def _set_environment(shell: EbuildShell, cpv: Cpv) -> None:
    """Set the variables of PMS 11.1 that are known before any phase."""
    version = cpv.version
    bare = str(version.without_revision)
    revision = f"r{version.revision}"
    own = cpv.pvr if version.revision else bare
    values = {
        "P": f"{cpv.name}-{bare}",
        "PN": cpv.name,
        "PV": bare,
        "PR": revision,
        "PVR": own,
        "PF": f"{cpv.name}-{own}",
        "CATEGORY": cpv.category,
        "EBUILD_PHASE": "depend",
        "ECLASS_DEPTH": "0",
        "PATH": "/dev/null",
        "IFS": DEFAULT_IFS,
    }
    # Folders of a build that does not happen; Portage has some here, and no metadata may hold any.
    work = f"/var/tmp/portage/{cpv.category}/{cpv.name}-{own}"
    values |= {
        "WORKDIR": f"{work}/work",
        "T": f"{work}/temp",
        "D": f"{work}/image" + ("/" if shell.eapi < 7 else ""),
        "FILESDIR": f"{work}/files",
        "DISTDIR": f"{work}/distdir",
        "S": f"{work}/work/{cpv.name}-{bare}",
    }
    for name, value in values.items():
        shell.variables.set(name, value)


def _run(shell: EbuildShell, block: object, file: str) -> int:
    shell.frames += [Frame("main", "ebuild.sh"), Frame("source", file)]
    try:
        return shell.run_file(block, file)  # type: ignore[arg-type]
    except (ScriptError, UnsupportedError, ScriptSyntaxError) as error:
        raise _located(shell, error, file) from None
    except (AbortedCommandError, LoopEnd):
        raise refused("a command that ends nothing", file, 1) from None
    except RecursionError:
        raise refused("calls are nested too deep", shell.file or file, 1) from None
    except EbuildError as error:
        if "line" not in error.facts:  # an eclass that is not there: where it is inherited
            place = {"file": shell.file or file, "line": max(1, shell.base + shell.line)}
            error = EbuildError(error.brief, {**place, **error.facts}, error.hint)
        raise _with_origin(error, file) from None


def _located(shell: EbuildShell, error: Exception, ebuild: str) -> EbuildError:
    """Return the error with the place of the command that ran, and the ebuild it ran for."""
    file = shell.file or ebuild
    line = max(1, shell.base + shell.line)
    brief = error.brief if isinstance(error, ScriptSyntaxError) else str(error)
    if isinstance(error, UnsupportedError):
        brief = f"not supported: {brief}"
    return _with_origin(refused(brief, file, line), ebuild)


def _with_origin(error: SysextError, ebuild: str) -> EbuildError:
    facts: dict[str, object] = dict(error.facts)
    if facts.get("file") != ebuild:
        facts["ebuild"] = ebuild
    return EbuildError(error.brief, facts, error.hint)


def _values(shell: EbuildShell, eapi: str, file: str, status: int) -> dict[str, str]:
    if status != 0:
        brief = "the last command failed, which makes the ebuild invalid"
        line = max(1, shell.base + shell.line)
        raise refused(brief, file, line, hint="end the file with a command that succeeds")
    if _own(shell, "EAPI") != eapi and not (eapi == "0" and shell.variables.get("EAPI") is None):
        found = _own(shell, "EAPI")
        brief = f"it sets EAPI to {found[:40]!r}, but its first line says {eapi}"
        raise refused(brief, file, 1, hint="set EAPI once, in the first line")
    if shell.expansion.ifs() != DEFAULT_IFS:
        brief = "IFS is left changed, and Portage reads on with it"
        raise refused(brief, file, 1, hint="put IFS back, or make it local to a function")
    known = features(eapi)
    values = {name: _own(shell, name) for name in KEYS}
    values["EAPI"] = eapi
    values["INHERIT"] = " ".join(shell.inherited)
    if int(eapi) <= 3 and not _is_set(shell, "RDEPEND"):
        values["RDEPEND"] = values["DEPEND"]
    for key in shell.accumulated:
        own = values[key]
        values[key] = own + (" " if own else "") + shell.gathered.get(key, "")
    if not known.bdepend:
        del values["BDEPEND"]
    if not known.idepend:
        del values["IDEPEND"]
    values["DEFINED_PHASES"] = _phases(shell, int(eapi))
    try:
        return {key: text for key in KEYS if (text := _printed(shell, key, values.get(key, "")))}
    except (ScriptError, UnsupportedError) as error:
        raise refused(str(error), file, 1) from None


def _phases(shell: EbuildShell, eapi: int) -> str:
    names = [phase[4:] for phase, since in _PHASES if eapi >= since and phase in shell.functions]
    return " ".join(names) or "-"


def _printed(shell: EbuildShell, name: str, value: str) -> str:
    """Return a value as ``echo "NAME=$(echo ${value})"`` prints it, and as Portage reads that.

    :raises ScriptError: Portage takes it for several lines, and the ebuild for invalid.
    """
    text = echo_text(_split(shell, value)).replace("\0", "").rstrip("\n").removesuffix("\r")
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if _LINE_BREAK.search(text):
        raise ScriptError(f"{name} has a character that ends a line")
    return text


def _split(shell: EbuildShell, value: str) -> list[str]:
    return split_fields(value, shell.expansion.ifs(), shell.budget)


def _is_set(shell: EbuildShell, name: str) -> bool:
    variable = shell.variables.get(name)
    return variable is not None and variable.is_set


def _own(shell: EbuildShell, name: str) -> str:
    variable = shell.variables.get(name)
    return (variable.scalar() or "") if variable is not None else ""

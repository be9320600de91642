"""Users and groups of acct-user and acct-group packages, as sysusers.d(5) lines.

Current acct-*.eclass install these lines themselves; older ones, and packages whose file was
taken out, only ran useradd in pkg_preinst. Then the lines are made from the package's variables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.errors import PackageError
from sysextlib.install.environment import Environment
from sysextlib.install.shell_lexer import ShellError
from sysextlib.tree import Entry, file_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sysextlib.gentoo.package import Package

FOLDERS = ("usr/lib/sysusers.d/", "usr/lib/userdb/")
KINDS = {"acct-user": "ACCT_USER", "acct-group": "ACCT_GROUP"}


def account_entry(
    package: Package, metadata: Mapping[str, bytes], entries: Iterable[Entry]
) -> Entry | None:
    """Return a sysusers.d file for an account package that brings none; None for all others.

    :raises PackageError: the package states no number for its account, or a value of a form that
        bash does not write.
    """
    prefix = KINDS.get(package.cpv.category)
    if prefix is None or any(entry.path.startswith(FOLDERS) for entry in entries):
        return None
    try:
        return _made_of_variables(package, metadata, prefix)
    except ShellError as error:
        raise PackageError(
            f"{package.cpv} does not say what its account is", {"reason": error}
        ) from error


def _made_of_variables(package: Package, metadata: Mapping[str, bytes], prefix: str) -> Entry:
    environment = Environment.of(metadata, str(package.cpv))
    values = {
        key: environment.scalar(f"_{prefix}_{key}") or environment.scalar(f"{prefix}_{key}")
        for key in ("ID", "NAME", "COMMENT", "HOME", "SHELL", "GROUPS")
    }
    number = values["ID"]
    if not re.fullmatch(r"-1|\d{1,9}", number):
        raise PackageError(
            f"{package.cpv} does not say which number its account has",
            {"looked for": f"{prefix}_ID in environment.bz2", "found": number or "nothing"},
        )
    name = values["NAME"] or package.cpv.name
    number = "-" if number == "-1" else number
    if prefix == "ACCT_GROUP":
        text = f"g {name} {number}\n"
    else:
        groups = environment.array("ACCT_USER_GROUPS") or tuple(values["GROUPS"].split())
        number = f"{number}:{groups[0]}" if groups else number
        comment = values["COMMENT"] or environment.scalar("DESCRIPTION") or name
        home, shell = values["HOME"] or "/dev/null", values["SHELL"] or "/sbin/nologin"
        text = f'u {name} {number} "{_escaped(comment)}" "{_escaped(home)}" "{_escaped(shell)}"\n'
        text += "".join(f"m {name} {group}\n" for group in groups[1:])
    path = f"usr/lib/sysusers.d/{package.cpv.category}-{package.cpv.name}.conf"
    return file_entry(path, text.encode(), mtime=package.build_time, origin=str(package.cpv))


def _escaped(text: str) -> str:
    """Quote for a sysusers.d field; a line feed or colon could not stand in passwd(5)."""
    return re.sub(r"[\n:]", " ", text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")

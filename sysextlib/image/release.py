"""The stamp: the extension-release file by which systemd decides whether an extension fits an OS.

Keys, their order and their quoting (bash's ``${x@Q}``) are upstream's; systemd-sysext(8) compares
ID, the version field and ARCHITECTURE with the host's os-release. A configuration extension (what
lies below /etc) has the same file in another folder, with CONFEXT_ where a key begins with SYSEXT_.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sysextlib.errors import DefinitionError, UsageError, nearest

if TYPE_CHECKING:
    from sysextlib.gentoo.arch import Arch

BUG_REPORT_URL = "https://issues.flatcar.org"
SCOPES = ("system", "initrd", "portable")  # os-release(5), SYSEXT_SCOPE
VERSION_FIELDS = ("VERSION_ID", "SYSEXT_LEVEL")  # systemd compares one of them, and no other
# What bash's $'...' has letters for; every other byte that does not print is \ and 3 octal digits.
_ANSI_C = {
    "\a": r"\a",
    "\b": r"\b",
    "\x1b": r"\E",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    "'": r"\'",
}


class ImageClass(StrEnum):
    """Which of systemd's two programs merges an image: systemd-sysext or systemd-confext."""

    SYSEXT = "sysext"  # /usr, and /opt
    CONFEXT = "confext"  # /etc

    @property
    def folder(self) -> str:
        """Where the extension-release file lies."""
        top = "usr/lib" if self is ImageClass.SYSEXT else "etc"
        return f"{top}/extension-release.d"

    @property
    def prefix(self) -> str:
        """What keys of its own begin with."""
        return f"{self.upper()}_"

    @property
    def suffix(self) -> str:
        """What systemd takes off a file name, beside ".raw", to get the image's name."""
        return f".{self}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRelease:
    """What an extension says of itself.

    :param name: of the extension; systemd wants the image's file name to be the same.
    :param os_id: the base's ID.
    :param version_id: the base's VERSION_ID, whatever the name of the field.
    :param version_field: VERSION_ID, or another field of os-release such as SYSEXT_LEVEL.
    :param kind: for a confext, SYSEXT_LEVEL as ``version_field`` stands for CONFEXT_LEVEL.
    :param scope: where it may be merged; systemd's default when empty.
    :param sysext_name: for people, as "Microsoft Azure"; no line when empty, nor the next ones.
    :param sysext_version_id: version and revision of the one package it is made of.
    :param home_url: that package's HOMEPAGE.
    """

    name: str
    os_id: str
    version_id: str
    arch: Arch
    kind: ImageClass = ImageClass.SYSEXT
    version_field: str = "VERSION_ID"
    reload_manager: bool = True
    scope: tuple[str, ...] = ()
    sysext_name: str = ""
    sysext_version_id: str = ""
    home_url: str = ""
    bug_report_url: str = BUG_REPORT_URL

    def __post_init__(self) -> None:
        require_version_field(self.version_field)
        for word in self.scope:
            if word not in SCOPES:
                raise DefinitionError(
                    f"{self.name} has the unknown scope {word!r}", hint=nearest(word, SCOPES)
                )

    @property
    def path(self) -> str:
        """Where the file belongs, relative to the root."""
        return release_path(self.name, self.kind)

    def text(self) -> str:
        """Return the file's text."""
        own = self.kind.prefix
        field = self.version_field
        lines = [
            ("ID", self.os_id),
            (f"{own}LEVEL" if field == "SYSEXT_LEVEL" else field, self.version_id),
            ("ARCHITECTURE", self.arch.systemd_name),
            ("EXTENSION_RELOAD_MANAGER", "1" if self.reload_manager else ""),
            (f"{own}SCOPE", " ".join(self.scope)),
            (f"{own}ID", self.name),
            (f"{own}NAME", self.sysext_name),
            (f"{own}VERSION_ID", self.sysext_version_id),
            (f"{own}HOME_URL", self.home_url),
            (f"{own}BUG_REPORT_URL", self.bug_report_url),
        ]
        return "".join(
            f"{key}={value if key == 'EXTENSION_RELOAD_MANAGER' else bash_quote(value)}\n"
            for key, value in lines
            if value
        )


def require_version_field(field: str) -> None:
    """Refuse a version field by which systemd would never merge the image.

    :raises UsageError: it is none of VERSION_FIELDS.
    """
    if field not in VERSION_FIELDS:
        raise UsageError(
            f"VERSION_FIELD_OVERRIDE cannot be {field!r}",
            {"systemd compares": " or ".join(VERSION_FIELDS)},
            hint=nearest(field, VERSION_FIELDS),
        )


def release_path(name: str, kind: ImageClass = ImageClass.SYSEXT) -> str:
    """Return where the extension-release file of an extension belongs, relative to the root."""
    return f"{kind.folder}/extension-release.{name}"


def bash_quote(text: str) -> str:
    r"""Return what bash's ``${text@Q}`` gives in a UTF-8 locale.

    systemd reads it back as the same text unless a single quote or a control character is in it:
    it takes ``'\''`` after a quoted part for an unquoted rest, and knows no ``$'...'``.
    """
    if text == "'":
        return r"\'"
    if all(map(_prints, text)):
        return "'" + text.replace("'", r"'\''") + "'"
    return "$'" + "".join(_ansi_c(char) for char in text) + "'"


def _ansi_c(char: str) -> str:
    if char in _ANSI_C:
        return _ANSI_C[char]
    if _prints(char):
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode())


def _prints(char: str) -> bool:
    """Tell what glibc's iswprint tells of every character that both know."""
    return unicodedata.category(char) not in {"Cc", "Cn", "Cs", "Zl", "Zp"}

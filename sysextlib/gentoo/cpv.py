"""A package's full name: category, name and version."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from sysextlib.errors import ValueSyntaxError
from sysextlib.gentoo.version import VERSION, Version

MAX_LENGTH: Final = 1024
"""Characters of the longest name read."""

CATEGORY: Final = r"[A-Za-z0-9_][A-Za-z0-9+_.-]*"  # PMS 3.1.1
NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9+_-]*"  # PMS 3.1.2, but for its rule on the end

_CATEGORY = re.compile(CATEGORY)
_NAME = re.compile(NAME)
_VERSION_TAIL = re.compile(rf".*?-{VERSION}")
_NAME_VERSION = re.compile(rf"({NAME}?)-({VERSION})")


@dataclass(frozen=True, slots=True, order=True)
class Cpv:
    """Category, name and version, ordered in this order."""

    category: str
    name: str
    version: Version

    @classmethod
    def parse(cls, text: str) -> Cpv:
        """Read CATEGORY/NAME-VERSION.

        :raises ValueSyntaxError: it is not of this form.
        """
        return _parse(text)

    @property
    def cp(self) -> str:
        """CATEGORY/NAME."""
        return f"{self.category}/{self.name}"

    @property
    def pf(self) -> str:
        """NAME-VERSION, the revision included."""
        return f"{self.name}-{self.version}"

    @property
    def pvr(self) -> str:
        """The version with its revision."""
        return self.version.text

    def __str__(self) -> str:
        return f"{self.category}/{self.name}-{self.version}"


@functools.lru_cache(maxsize=8192)
def _parse(text: str) -> Cpv:
    if len(text) > MAX_LENGTH:
        raise ValueSyntaxError(f"a package name of {len(text)} characters", text=text)
    category, slash, pf = text.partition("/")
    if not slash or not _CATEGORY.fullmatch(category):
        raise _refusal(text, "its category", 0)
    parts = split_pf(pf)
    if parts is None:
        raise _refusal(text, "its version", len(category) + 1)
    return Cpv(category, parts[0], Version.parse(parts[1]))


def split_pf(pf: str) -> tuple[str, str] | None:
    """Split NAME-VERSION, or return None when it is not of this form."""
    match = _NAME_VERSION.fullmatch(pf)
    if match is None or not is_name(match[1]):
        return None
    return match[1], match[2]


def is_name(text: str) -> bool:
    """Return whether a package can bear this name: a version at its end is not allowed."""
    return _NAME.fullmatch(text) is not None and _VERSION_TAIL.fullmatch(text) is None


def _refusal(text: str, part: str, column: int) -> ValueSyntaxError:
    return ValueSyntaxError(
        f"{text!r} is not a package with {part}",
        text=text,
        column=column,
        hint="write CATEGORY/NAME-VERSION, like sys-fs/zfs-2.4.3-r1",
    )

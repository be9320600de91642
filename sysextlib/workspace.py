"""The names of everything a build writes; no other module spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sysextlib.errors import UsageError

# What systemd takes as an image name and what is safe in a file name, a URL and a shell glob.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(\.[A-Za-z0-9_+-]+)*")
NAME_MAX = 128
CLASS_SUFFIXES = (".sysext", ".confext")  # optional before ".raw" (systemd-sysext(8), UAPI.2)


def image_name(file_name: str) -> str:
    """Return what systemd takes for the name of an image file: no ".raw", no ".confext"."""
    name = file_name.removesuffix(".raw")
    return next((name.removesuffix(end) for end in CLASS_SUFFIXES if name.endswith(end)), name)


@dataclass(frozen=True, slots=True)
class OutputNames:
    """Upstream's names of the files around one extension, which its release tools read."""

    name: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or len(self.name) > NAME_MAX:
            raise UsageError(
                f"{self.name!r} cannot be the name of an extension",
                hint="letters, digits and + - _ . between them, at most 128",
            )
        if self.name.endswith(CLASS_SUFFIXES):
            raise UsageError(
                f"{self.name!r} cannot be the name of an extension",
                hint="systemd takes .sysext and .confext off a file name and would not find it",
            )

    @property
    def image(self) -> str:
        """The signed image; systemd wants its stem to be the extension-release suffix."""
        return f"{self.name}.raw"

    @property
    def confext(self) -> str:
        """The signed image with what lies below /etc; its extension-release bears our name too."""
        return f"{self.name}.confext.raw"

    @property
    def pkginfo(self) -> str:
        """The squashfs with the package database, for extensions on top of this one."""
        return f"{self.name}_pkginfo.raw"

    @property
    def payload(self) -> str:
        """The update payload signed with a test key; never gzip, whatever its name says."""
        return f"flatcar_test_update-{self.name}.gz"

    @property
    def packages(self) -> str:
        """Which packages were merged."""
        return f"{self.name}_packages.txt"

    @property
    def contents(self) -> str:
        """What the image holds, as ls would show it."""
        return f"{self.name}_contents.txt"

    @property
    def confext_contents(self) -> str:
        """What the confext holds, as ls would show it."""
        return f"{self.name}.confext_contents.txt"

    @property
    def contents_wtd(self) -> str:
        """The same with technical details."""
        return f"{self.name}_contents_wtd.txt"

    @property
    def disk_usage(self) -> str:
        """How full the image is."""
        return f"{self.name}_disk_usage.txt"

    @property
    def dropped(self) -> str:
        """What packages brought and the image does not hold, and why."""
        return f"{self.name}_dropped.txt"

    @property
    def manifest(self) -> str:
        """Inputs, packages, tools, keys, findings and outputs, for programs."""
        return f"{self.name}_manifest.json"

    @property
    def emerge_log(self) -> str:
        """All that emerge said, when it failed or the log was asked for."""
        return f"{self.name}_emerge.log"

    @property
    def all(self) -> frozenset[str]:
        """Every name of these."""
        return frozenset(
            {
                self.image,
                self.confext,
                self.pkginfo,
                self.payload,
                self.packages,
                self.contents,
                self.confext_contents,
                self.contents_wtd,
                self.disk_usage,
                self.dropped,
                self.manifest,
                self.emerge_log,
            }
        )

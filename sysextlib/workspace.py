"""The names of everything a build writes; no other module spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sysextlib.errors import UsageError

# What systemd takes as an image name and what is safe in a file name, a URL and a shell glob.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(\.[A-Za-z0-9_+-]+)*")
NAME_MAX = 128


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

    @property
    def image(self) -> str:
        """The signed image; systemd wants its stem to be the extension-release suffix."""
        return f"{self.name}.raw"

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
    def all(self) -> frozenset[str]:
        """Every name of these."""
        return frozenset(
            {
                self.image,
                self.pkginfo,
                self.payload,
                self.packages,
                self.contents,
                self.contents_wtd,
                self.disk_usage,
                self.dropped,
                self.manifest,
            }
        )

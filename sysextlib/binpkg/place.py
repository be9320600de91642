"""Where in a package something was read, for the errors that name it; and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sysextlib.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a package may make us do; sizes are in bytes.

    Real packages stay far below: the largest that Flatcar ships unpacks to about 2 GiB, and the
    longest path that Linux takes is 4096 bytes.

    :param ratio: how many times its compressed size a stream may grow beyond ``ratio_free``.
        zstd packs zeros about 30,000 times; the densest real images stay below 100.
    """

    unpacked: int = 16 * GIB
    metadata: int = 64 * MIB
    members: int = 1_000_000
    name: int = 4096
    part: int = 255
    depth: int = 128
    pax: int = 1 * MIB
    sparse_map: int = 100_000
    ratio: int = 1000
    ratio_free: int = 256 * MIB

    def stream(self, compressed: int, most: int) -> int:
        """Return how large a stream of ``compressed`` bytes may become."""
        return min(most, self.ratio_free + self.ratio * compressed)


@dataclass(frozen=True, slots=True)
class Place:
    """A package file, or a part of it."""

    archive: Path
    layer: str = ""
    limits: Limits = field(default_factory=Limits)

    def inside(self, layer: str) -> Place:
        """Return the place of a part of this file."""
        return replace(self, layer=layer)

    def refuse(
        self, rule: str, *, member: str | bytes = "", hint: str = "", **facts: object
    ) -> PackageError:
        """Return the error that this package broke ``rule``, which completes "... : it RULE"."""
        where: dict[str, object] = {"file": self.archive}
        if self.layer:
            where["part"] = self.layer
        if member:
            where["member"] = show(member)
        where.update((name.replace("_", " "), show(str(value))) for name, value in facts.items())
        return PackageError(
            f"binary package {self.archive.name} is damaged or unsafe: {rule}",
            where,
            hint or "fetch or build the package again; do not use this file",
        )


def show(name: str | bytes) -> str:
    """Return a name from a package in a form that is safe to print and not too long."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"

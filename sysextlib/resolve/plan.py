"""What the resolver found: which packages to merge, in which order, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.gentoo.package import Package


@dataclass(frozen=True, slots=True)
class MergeStep:
    """One package to merge.

    :param wanted_by: why, from the nearest reason to the user's wish, for example
        ("RDEPEND of sys-fs/zfs-2.4.3-1", "asked for").
    """

    package: Package
    wanted_by: tuple[str, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        """The package's USE flags as emerge prints them: those on, then those off with "-"."""
        on = sorted(self.package.iuse & self.package.use)
        off = sorted(self.package.iuse - self.package.use)
        return (*on, *(f"-{flag}" for flag in off))


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Packages in merge order: what a package needs comes before it, as far as cycles allow."""

    steps: tuple[MergeStep, ...]

    def __iter__(self) -> Iterator[MergeStep]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages in merge order."""
        return tuple(step.package for step in self.steps)

    def render(self) -> str:
        """Return the plan as numbered lines, each ending in a line feed."""
        width = len(str(len(self.steps)))
        return "".join(
            f"{number:{width}}. {_title(step)} <- {step.wanted_by[0]}\n"
            for number, step in enumerate(self.steps, 1)
        )

    def to_json(self) -> str:
        """Return the plan as a JSON array of objects in merge order, ending in a line feed."""
        return json.dumps([_fields(step) for step in self.steps], indent=2) + "\n"


def _title(step: MergeStep) -> str:
    package = step.package
    slot = package.slot if not package.subslot else f"{package.slot}/{package.subslot}"
    words = [str(package) if slot == "0" else f"{package}:{slot}"]
    if step.flags:
        words.append(f"[{' '.join(step.flags)}]")
    return " ".join(words)


def _fields(step: MergeStep) -> dict[str, object]:
    package = step.package
    return {
        "cpv": str(package.cpv),
        "build_id": package.build_id,
        "slot": package.slot,
        "subslot": package.effective_subslot,
        "repo": package.repo,
        "use": list(step.flags),
        "wanted_by": list(step.wanted_by),
    }

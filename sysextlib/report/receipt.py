"""What a finished build knows of itself, and the part of it that the user is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.report.manifest import File
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sysextlib.edit.changes import Change
    from sysextlib.findings import Finding
    from sysextlib.image.ddi import DdiFacts
    from sysextlib.image.release import ExtensionRelease
    from sysextlib.install.keep import Dropped
    from sysextlib.order import Inputs, Order
    from sysextlib.payload.writer import PayloadFacts
    from sysextlib.resolve.plan import MergePlan
    from sysextlib.tree import Tree


REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Confext:
    """The second image of a build, with what belongs below /etc."""

    tree: Tree
    image: DdiFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Everything about one build, for its reports.

    :param files: of the plan's packages, in its order.
    :param ingredients: digests of all that decides the bytes.
    :param masked: what INSTALL_MASK kept out.
    """

    order: Order
    inputs: Inputs
    ingredients: Mapping[str, str]
    plan: MergePlan
    files: tuple[Path, ...]
    release: ExtensionRelease
    tree: Tree
    changes: tuple[Change, ...]
    dropped: tuple[Dropped, ...]
    masked: tuple[str, ...]
    findings: tuple[Finding, ...]
    image: DdiFacts
    confext: Confext | None = None
    payload: PayloadFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was published.

    :param files: in the order of their names.
    :param dropped: how many paths NAME_dropped.txt names.
    :param folder: where they are.
    :param root_hash: of the image, in hex.
    :param confext_root_hash: of the confext; "" without one.
    :param reused: an earlier build made it, of the same ingredients.
    :param reasons: why it was built, when it was.
    """

    name: str
    folder: Path
    files: tuple[File, ...]
    root_hash: str
    confext_root_hash: str
    packages: tuple[str, ...]
    dropped: int
    findings: tuple[Finding, ...]
    reused: bool = False
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, build: Build, files: tuple[File, ...], reasons: tuple[str, ...] = ()) -> Receipt:
        """Sum up a build."""
        return cls(
            name=build.order.name,
            folder=build.order.output,
            files=files,
            root_hash=build.image.root_hash,
            confext_root_hash=build.confext.image.root_hash if build.confext else "",
            packages=tuple(str(package) for package in build.plan.packages),
            dropped=dropped_count(build.order.output / OutputNames(build.order.name).dropped),
            findings=build.findings,
            reasons=reasons,
        )


def reasons_text(reasons: Sequence[str]) -> str:
    """Return why something was built, the first few reasons of many."""
    more = len(reasons) - REASONS_SHOWN
    shown = ", ".join(reasons[:REASONS_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def dropped_count(path: Path) -> int:
    """Return how many paths NAME_dropped.txt names, a line each."""
    return path.read_bytes().count(b"\n")


def file_facts(path: Path, sha256: str = "") -> File:
    """Return name, size and digest of a file, which is read unless its digest is known."""
    if not sha256:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return File(name=path.name, size=path.stat().st_size, sha256=sha256)

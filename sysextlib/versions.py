"""Base image, binary packages and version.txt must speak of one OS version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import BaseError, VersionMismatchError
from sysextlib.version_file import read_version_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.base import Base
    from sysextlib.board import Board


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What the call says of versions.

    :param official: the build is an official one, whose version bears no build id.
    :param build_id: instead of version.txt's; "" leaves it.
    :param release: the published version that was asked for; then version.txt, which is of the
        checkout, has no say.
    """

    official: bool = False
    build_id: str = ""
    release: str = ""

    def expected(self, file: Path, base: Base) -> str:
        """Return the version that a version.txt asks for."""
        stated = read_version_file(file)
        return stated.expected_version(
            base.build_id, official=self.official, build_id=self.build_id
        )


def require_one_version(
    base: Base,
    board: Board,
    binhosts: Sequence[str],
    *,
    checkout: Checkout,
) -> None:
    """Refuse a base of another OS, architecture or version than board and packages.

    :param binhosts: locations of binary packages; a folder tells by a version.txt in it, a URL
        by its part before "pkgs", as in ``.../boards/amd64-usr/4593.2.0/pkgs/``.
    :param checkout: what the call says of version.txt.
    :raises BaseError: the base is of another OS or architecture.
    :raises VersionMismatchError: the versions differ; all are shown with their sources. Who goes on
        in spite of it gets the base's version in the stamp.
    """
    _require_same_system(base, board)
    seen = {f"base image {base.image}": base.version or base.version_id}
    if checkout.release:
        seen["release asked for"] = checkout.release
    elif board.version_file is not None and Path(board.version_file).exists():
        file = Path(board.version_file)
        seen[f"version.txt {file}"] = checkout.expected(file, base)
    for location in binhosts:
        for version in _binhost_version(location, base, checkout):
            seen[f"packages {location}"] = version
    if len(set(seen.values())) > 1:
        raise VersionMismatchError(
            "base image, packages and version.txt are of different versions",
            seen,
            hint="take all of one release",
        )


def _require_same_system(base: Base, board: Board) -> None:
    if base.id != board.os_id:
        raise BaseError(
            f"the base image is {base.id}, board {board.name} is {board.os_id}",
            {"base image": base.image, "read from": "ID of os-release"},
            hint="choose the board of this image with --board",
        )
    if base.arch not in {None, board.arch}:
        raise BaseError(
            f"the base image is for {base.arch}, board {board.name} for {board.arch}",
            {"base image": base.image},
            hint="choose the board of this image with --board",
        )


def _binhost_version(location: str, base: Base, checkout: Checkout) -> Iterator[str]:
    if "://" in location:
        parts = location.rstrip("/").split("/")
        if parts[-1] == "pkgs" and "boards" in parts:
            yield parts[-2]
        return
    file = Path(location) / "version.txt"
    if file.exists():
        yield checkout.expected(file, base)

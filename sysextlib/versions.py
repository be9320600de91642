"""Base image, binary packages and version.txt must speak of one OS version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import BaseError, VersionMismatchError
from sysextlib.version_file import read_version_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.base import Base
    from sysextlib.board import Board
    from sysextlib.progress import Progress


def require_one_version(
    base: Base, board: Board, binhosts: Sequence[str], *, ignore: bool, progress: Progress
) -> None:
    """Refuse a base of another OS, architecture or version than board and packages.

    :param binhosts: locations of binary packages; a folder tells by a version.txt in it, a URL
        by its part before "pkgs", as in ``.../boards/amd64-usr/4593.2.0/pkgs/``.
    :param ignore: warn about versions instead; the stamp bears the base's in any case.
    :raises BaseError: the base is of another OS or architecture; ``ignore`` does not help.
    :raises VersionMismatchError: the versions differ; all are shown with their sources.
    """
    _require_same_system(base, board)
    seen = {f"base image {base.image}": base.version or base.version_id}
    if board.version_file is not None and Path(board.version_file).exists():
        stated = read_version_file(Path(board.version_file))
        seen[f"version.txt {stated.source}"] = stated.expected_version(base.build_id)
    for location in binhosts:
        seen |= {f"packages {location}": version for version in _binhost_version(location, base)}
    if len(set(seen.values())) == 1:
        return
    if ignore:
        told = ", ".join(f"{where}: {version}" for where, version in seen.items())
        progress.warn(f"versions disagree, which was asked to be ignored ({told})")
        return
    raise VersionMismatchError(
        "base image, packages and version.txt are of different versions",
        seen,
        hint="take all of one release, or pass --ignore_version_mismatch",
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


def _binhost_version(location: str, base: Base) -> Iterator[str]:
    if "://" in location:
        parts = location.rstrip("/").split("/")
        if parts[-1] == "pkgs" and "boards" in parts:
            yield parts[-2]
        return
    file = Path(location) / "version.txt"
    if file.exists():
        yield read_version_file(file).expected_version(base.build_id)

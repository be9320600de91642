"""Whether a board's base image and packages were made from what the checkout holds now.

Who makes them may leave ``made-from.sha256`` beside the base image, in the format of sha256sum(1):
the files of the checkout that decided the outcome, by their paths in it. Comments say more::

    # made by ci/make-board
    # all of board_overlays/BOARD/overlay
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from sysextlib.errors import BoardError, VersionMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD: Final = "made-from.sha256"
LARGEST: Final = 4 << 20  # bytes of a record; the demo board's has 20 000
SHOWN: Final = 5  # files that an error names
_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<path>[^/\n][^\n]*)")


def require_unchanged(image: Path, checkout: Path) -> None:
    """Refuse a base image that the checkout would make otherwise; one without a record passes.

    :raises VersionMismatchError: files are not as they were.
    :raises BoardError: the record is none.
    """
    record = image.parent / RECORD
    try:
        with record.open("rb") as stream:
            text = stream.read(LARGEST + 1).decode("utf-8", "replace")
    except FileNotFoundError:
        return
    changed = tuple(_changed(text, record, checkout))
    if not changed:
        return
    maker = re.search(r"^# made by (.+)", text, re.MULTILINE)
    more = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
    raise VersionMismatchError(
        "the board was made from other files than this checkout has",
        {"base image": image, "not as then": "\n".join([*changed[:SHOWN], *more])},
        hint=f"run {maker[1]}" if maker else "make the board again",
    )


def _changed(text: str, record: Path, checkout: Path) -> Iterator[str]:
    """Yield the files that are otherwise than recorded, gone, or new, in the record's order."""
    known = set()
    folders = []
    for line in text.splitlines():
        if line.startswith("#"):
            folders += re.findall(r"^# all of ([^/].*)", line)
            continue
        match = _LINE.fullmatch(line)
        if match is None or ".." in match["path"].split("/") or len(text) > LARGEST:
            raise BoardError(
                f"{record} is damaged", {"line": line[:200]}, "remove it, or make the board again"
            )
        known.add(match["path"])
        if _digest(checkout / match["path"]) != match["digest"]:
            yield match["path"]
    for folder in folders:
        for path in sorted((checkout / folder).rglob("*")):
            name = path.relative_to(checkout).as_posix()
            if path.is_file() and name not in known:
                yield name


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""

"""NAME_dropped.txt: what packages brought and the image does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.report.contents import visible

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class DroppedPath:
    """A path that is not in the image.

    :param origin: who brought it: a cpv, or "definition".
    :param reason: why it is not there, in a few words.
    """

    path: str
    origin: str
    reason: str


def dropped_text(paths: Iterable[DroppedPath]) -> str:
    """Return one line a path: path, origin and reason, a tab between them, sorted.

    Control characters within one of them are written as ``visible`` does.
    """
    lines = sorted({(item.path, item.origin, item.reason) for item in paths})
    return "".join("\t".join(map(visible, line)) + "\n" for line in lines)

"""INSTALL_MASK: paths of a package that are not installed.

The rules are those of Portage (portage.util.install_mask), learned by trying; an oracle test
compares. Patterns are separated by blanks and match as fnmatch does, so ``*`` crosses "/". One
that starts with "/" is matched against the whole path and everything below it, another against
the last component. A leading "-" makes an exception; the last pattern that matches decides.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.tree import Kind, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sysextlib.tree import Entry


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One pattern.

    :param whole: for those that start with "/": matches a path without a trailing slash.
    :param folder: the same for a directory's path, which ends in a slash.
    :param name: for the others: matches a last component.
    :param prefix: the components before the first with a ``*``. Portage compares them literally
        before it looks at the pattern at all, so ``?`` and ``[`` mean nothing in them.
    """

    masks: bool
    whole: re.Pattern[str] | None = None
    folder: re.Pattern[str] | None = None
    name: re.Pattern[str] | None = None
    prefix: tuple[str, ...] = ()


class InstallMask:
    """The masks of a board, compiled."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile patterns; one text may hold several, separated by blanks."""
        words = [word for text in patterns for word in text.split()]
        self._patterns = tuple(map(_compile, words))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def matches(self, path: str, *, directory: bool = False) -> bool:
        """Return whether ``path``, relative to the root, is masked."""
        parts = tuple(path.split("/"))
        # A directory is asked for with a trailing slash, so its last component is empty, and a
        # pattern without "/" reaches a directory only when it matches nothing at all: "*".
        name = "" if directory else parts[-1]
        for pattern in reversed(self._patterns):
            if pattern.name is not None:
                hit = pattern.name.match(name)
            elif pattern.prefix != parts[: len(pattern.prefix)]:
                continue
            else:
                regex = pattern.folder if directory else pattern.whole
                assert regex is not None
                hit = regex.match(path + "/" if directory else path)
            if hit:
                return pattern.masks
        return False

    def apply(self, entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
        """Return the entries that stay, and the paths that do not.

        A masked directory goes only when nothing in it stays; an empty one that is not masked
        itself stays.
        """
        if not self:
            return tuple(entries), ()
        gone = {
            entry.path
            for entry in entries
            if entry.kind is not Kind.DIRECTORY and self.matches(entry.path)
        }
        needed: set[str] = set()
        for entry in sorted(entries, key=lambda e: e.path.count("/"), reverse=True):
            if entry.path in gone:
                continue
            empty = entry.kind is Kind.DIRECTORY and entry.path not in needed
            if empty and self.matches(entry.path, directory=True):
                gone.add(entry.path)
            else:
                needed.update(parents(entry.path))
        return tuple(e for e in entries if e.path not in gone), tuple(sorted(gone))


@functools.lru_cache(maxsize=4096)
def _compile(word: str) -> _Pattern:
    masks = not word.startswith("-")
    pattern = word if masks else word[1:]
    if not pattern.startswith("/"):
        return _Pattern(masks=masks, name=_regex(pattern))
    prefix: list[str] = []
    for component in filter(None, pattern.split("/")):
        if "*" in component:
            break
        prefix.append(component)
    below = pattern[1:].rstrip("/") + "/*"
    return _Pattern(
        masks=masks,
        whole=_regex(pattern[1:], below),
        folder=_regex(pattern.rstrip("/")[1:] + "/", below),
        prefix=tuple(prefix),
    )


def _regex(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))

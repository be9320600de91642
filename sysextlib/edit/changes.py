"""What an edit leaves behind: the new tree, and what was done to which path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sysextlib.tree import Tree


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done to one path.

    :param verb: the key of the definition that asked for it, or who else did.
    :param detail: what a reader wants to know beside the path; may be "".
    """

    path: str
    verb: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Edited:
    """A tree after edits; ``log`` in the order in which they were made."""

    tree: Tree
    log: tuple[Change, ...] = ()


def _nothing(_path: str) -> None:
    """Return what an empty base has at any path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditContext:
    """What edits know beside the definition.

    :param kernel_suffix: the board's; how the name of the kernel's folder ends.
    :param read_base: returns a file of the base image, None where there is none.
    :param epoch: mtime of what is written, seconds since 1970.
    """

    kernel_suffix: str
    epoch: int
    read_base: Callable[[str], bytes | None] = _nothing


def nothing_matched(verb: str, what: str, hint: str = "") -> EditError:
    """Return the error of an edit that found nothing to do."""
    hint = hint or "the packages changed: correct the definition, or mark the edit optional = true"
    return EditError(f"{verb} found no {what} in what the packages bring", hint=hint)

"""The definition's edits, in the one order that they always have."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sysextlib.edit import files, modules, paths, units
from sysextlib.edit.changes import Change, EditContext, Edited
from sysextlib.errors import EditError
from sysextlib.tree import InvalidTreeError, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sysextlib.definition import SysextDef
    from sysextlib.verbs import Sysusers, Tmpfiles

ORDER = (
    "remove",
    "keep_only",
    "copy",
    "move",
    "vendor_etc",
    "files",
    "write",
    "symlink",
    "append",
    "presets",
    "sysusers",
    "tmpfiles",
    "membership",
    "upholds",
    "uphold_wants",
    "udev_waits",
    "kernel_modules",
)
"""By kind, whatever the order in the file; edits of one kind in the order of the file."""


def apply_edits(tree: Tree, definition: SysextDef, context: EditContext) -> Edited:
    """Carry out all edits of a definition; what lies outside usr/ stays.

    Paths are the image's: where the base has a symlink (lib64, or lib of a package that is not
    merged into usr), the tree must have followed it.

    :raises EditError: one of them found nothing to do, or would destroy something.
    """
    log: list[Change] = []
    for step in _steps(definition, context):
        try:
            edited = step(tree)
        except InvalidTreeError as error:
            raise EditError(f"{definition.key}: {error}") from error
        except EditError as error:
            source = definition.folder or definition.key
            raise EditError(
                error.brief, {"extension": source, **error.facts}, error.hint
            ) from error
        tree = edited.tree
        log += edited.log
    return Edited(tree, tuple(log))


def _steps(definition: SysextDef, context: EditContext) -> Iterator[Callable[[Tree], Edited]]:
    """Yield each edit as a function of the tree, in ORDER."""
    for removal in definition.remove:
        yield partial(paths.remove, removal=removal, sets=definition.sets)
    for keep in definition.keep_only:
        yield partial(paths.keep_only, keep=keep)
    for verb, orders in (("copy", definition.copy), ("move", definition.move)):
        for order in orders:
            yield partial(paths.transfer, order=order, verb=verb)
    for vendor in definition.vendor_etc:
        yield partial(files.vendor_etc, order=vendor, definition=definition, context=context)
    yield partial(files.put_files, definition=definition, context=context)
    for append in definition.append:
        yield partial(files.append, order=append, context=context)
    for preset in definition.presets:
        yield partial(units.enable_presets, order=preset, definition=definition, context=context)
    lists: tuple[Sysusers | Tmpfiles, ...] = (*definition.sysusers, *definition.tmpfiles)
    for lines in lists:
        yield partial(files.add_lines, order=lines, definition=definition, context=context)
    for member in definition.membership:
        yield partial(files.membership, order=member, definition=definition, context=context)
    for uphold in definition.upholds:
        yield partial(files.upholds, order=uphold, definition=definition, context=context)
    for wants in definition.uphold_wants:
        yield partial(units.uphold_wants, order=wants, definition=definition, context=context)
    if definition.udev_waits:
        yield partial(files.udev_waits, definition=definition, context=context)
    if definition.kernel_modules is not None:
        yield partial(modules.add_modules, definition=definition, context=context)

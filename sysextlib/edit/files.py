"""Edits that write: files, links, lines, and the drop-ins and lists that systemd reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, EditContext, Edited, nothing_matched
from sysextlib.edit.paths import relocate
from sysextlib.errors import EditError, nearest
from sysextlib.tree import Content, Entry, Kind, Tree, file_entry, link_entry
from sysextlib.verbs import (
    Append,
    Membership,
    Sysusers,
    Tmpfiles,
    Upholds,
    VendorEtc,
    VendorHow,
)

if TYPE_CHECKING:
    from sysextlib.definition import SysextDef

LARGEST_TEXT = 1 << 20  # bytes of a file that is read or has lines appended
UNITS = "usr/lib/systemd/system"
MERGED = "systemd-sysext.service"  # what merges extensions at boot


def put(tree: Tree, entry: Entry, definition: SysextDef, verb: str) -> Edited:
    """Add an entry of the definition's own.

    :raises EditError: a package brought that path, and ``replace`` does not list it.
    """
    there = tree.get(entry.path)
    if there is not None:
        if there.kind is entry.kind is Kind.SYMLINK and there.target == entry.target:
            return Edited(tree)
        if there.kind is Kind.DIRECTORY or entry.path not in definition.replace:
            raise EditError(
                f"{verb} would take the place of the {there.kind} {entry.path}",
                {"brought by": there.origin or "(unknown)"},
                hint="list the path in the definition's replace if that is meant",
            )
    detail = f"instead of {there.origin or 'a package'}'s" if there else ""
    return Edited(tree.updated([entry]), (Change(entry.path, verb, detail),))


def put_files(tree: Tree, definition: SysextDef, context: EditContext) -> Edited:
    """Add what lies below the definition's files/, then its ``write`` and ``symlink``."""
    # a folder says nothing of its own there: git keeps neither its mode nor an empty one
    own = [entry for entry in definition.files if entry.kind is not Kind.DIRECTORY]
    wanted = [(replace(entry, mtime=context.epoch), "files") for entry in own]
    for text in definition.write:
        written = file_entry(
            text.path, text.text.encode(), mode=text.mode, mtime=context.epoch, origin="definition"
        )
        wanted.append((written, "write"))
    for link in definition.symlink:
        made = link_entry(link.path, link.target, mtime=context.epoch, origin="definition")
        wanted.append((made, "symlink"))
    log: list[Change] = []
    for entry, verb in wanted:
        edited = put(tree, entry, definition, verb)
        tree = edited.tree
        log += edited.log
    return Edited(tree, tuple(log))


def append(tree: Tree, order: Append, context: EditContext) -> Edited:
    """Append lines to a text file.

    :raises EditError: it is not there and the edit is not optional, or it is no small file.
    """
    if order.path not in tree:
        if order.optional:
            return Edited(tree)
        raise nothing_matched("append", order.path)
    new = _with_lines(tree, order.path, order.lines, context)
    return Edited(tree.updated([new]), (Change(order.path, "append", _count(order.lines)),))


def add_lines(
    tree: Tree, order: Tmpfiles | Sysusers, definition: SysextDef, context: EditContext
) -> Edited:
    """Add lines to a list that systemd-tmpfiles or systemd-sysusers reads; make it if need be."""
    verb = "tmpfiles" if isinstance(order, Tmpfiles) else "sysusers"
    path = order.path or f"usr/lib/{verb}.d/10-{definition.key}.conf"
    new = _with_lines(tree, path, order.lines, context)
    return Edited(tree.updated([new]), (Change(path, verb, _count(order.lines)),))


def vendor_etc(tree: Tree, order: VendorEtc, definition: SysextDef, context: EditContext) -> Edited:
    """Move a default out of etc/, and have systemd-tmpfiles copy or link it there at boot.

    :raises EditError: it is not there and the edit is not optional, or the new place is taken.
    """
    top = tree.get(order.path)
    if top is None:
        if order.optional:
            return Edited(tree)
        raise nothing_matched("vendor_etc", order.path)
    goal = f"usr/share/{definition.key}/{order.path}"
    tree = relocate(tree, top, goal, moved=True)
    letter = "C" if order.how is VendorHow.COPY else "L"
    line = f"{letter} /{order.path} - - - - /{goal}"
    edited = add_lines(tree, Tmpfiles(lines=(line,), path=order.conf), definition, context)
    moved = Change(goal, "vendor_etc", f"from {order.path}, {order.how} at boot")
    return Edited(edited.tree, (moved, *edited.log))


def membership(
    tree: Tree, order: Membership, definition: SysextDef, context: EditContext
) -> Edited:
    """Add the file by which systemd-userdbd knows a member of a group: nss-systemd(8).

    Its name says all; upstream's holds a blank, because a file of no bytes would not survive some
    tools.
    """
    path = f"usr/lib/userdb/{order.user}:{order.group}.membership"
    entry = file_entry(path, b" \n", mtime=context.epoch, origin="definition")
    return put(tree, entry, definition, "membership")


def udev_waits(tree: Tree, definition: SysextDef, context: EditContext) -> Edited:
    """Have udev start after extensions are merged, from the second boot on.

    When udev starts, the extension with its drop-in is not there yet; so systemd-tmpfiles copies
    the drop-in to /etc, where the next boot finds it.
    """
    name = f"systemd-udevd.service.d/10-{definition.key}.conf"
    path = f"{UNITS}/{name}"
    text = f"[Unit]\nAfter={MERGED}\n"
    entry = file_entry(path, text.encode(), mtime=context.epoch, origin="definition")
    made = put(tree, entry, definition, "udev_waits")
    line = f"C /etc/systemd/system/{name} - - - - /{path}"
    edited = add_lines(made.tree, Tmpfiles(lines=(line,)), definition, context)
    return Edited(edited.tree, (*made.log, *edited.log))


def upholds(tree: Tree, order: Upholds, definition: SysextDef, context: EditContext) -> Edited:
    """Add the drop-in that has a target start units: systemd.unit(5), Upholds=.

    A ``.wants`` link alone is not enough in an extension, because the target was reached before
    the extension was merged.

    :raises EditError: neither tree nor base has such a unit, or a package brought a drop-in of that
        name.
    """
    for unit in order.units:
        name, at, _ = unit.partition("@")
        file = name + at + "." + unit.rpartition(".")[2] if at else unit
        if f"{UNITS}/{file}" not in tree and context.read_base(f"{UNITS}/{file}") is None:
            known = [e.name for e in tree if e.path.rpartition("/")[0] == UNITS and "." in e.name]
            raise nothing_matched("upholds", f"unit {file}", nearest(file, known))
    path = f"{UNITS}/{order.target}.d/{order.dropin or '10-' + definition.key}.conf"
    text = f"[Unit]\nUpholds={' '.join(order.units)}\n"
    entry = file_entry(path, text.encode(), mtime=context.epoch, origin="definition")
    return put(tree, entry, definition, "upholds")


def _with_lines(tree: Tree, path: str, lines: tuple[str, ...], context: EditContext) -> Entry:
    """Return the file at ``path`` with lines at its end; a new one when it is not there."""
    text = "".join(line + "\n" for line in lines).encode()
    there = tree.get(path)
    if there is None:
        return file_entry(path, text, mtime=context.epoch, origin="definition")
    if there.content is None or there.size > LARGEST_TEXT:
        raise EditError(
            f"lines cannot be appended to {path}", {"it is": f"a {there.kind}, {there.size} bytes"}
        )
    old = there.content.read()
    if old and not old.endswith(b"\n"):
        old += b"\n"
    content = Content.of(old + text)
    return replace(there, content=content, mtime=context.epoch, hardlink="")


def _count(lines: tuple[str, ...]) -> str:
    return f"{len(lines)} line" + "s" * (len(lines) != 1)

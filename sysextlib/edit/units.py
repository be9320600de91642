"""Enabling units in an image: what ``systemctl preset`` would do on a machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, EditContext, Edited, nothing_matched
from sysextlib.edit.files import LARGEST_TEXT, UNITS, put, upholds
from sysextlib.errors import EditError
from sysextlib.tree import Entry, Kind, Tree, glob_regex, link_entry
from sysextlib.verbs import Upholds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.definition import SysextDef
    from sysextlib.verbs import Presets, UpholdWants

# systemd.unit(5), [Install]: the folder beside the named unit that the link goes into
_FOLDERS = {"WantedBy": ".wants", "RequiredBy": ".requires", "UpheldBy": ".upholds"}
_LINE = re.compile(r"\s*(enable|disable)\s+(\S+)\s*")


def enable_presets(
    tree: Tree, order: Presets, definition: SysextDef, context: EditContext
) -> Edited:
    """Make the links of every unit that a preset file enables, beside the units.

    As systemd.preset(5) has it, the first line that names a unit decides. A unit that is not in
    the tree is passed over, as on a machine, and logged.

    :raises EditError: the file is not there and the edit is not optional, or enables nothing.
    """
    if order.path not in tree:
        if order.optional:
            return Edited(tree)
        raise nothing_matched("presets", order.path)
    units = {e.name: e for e in tree if e.path == f"{UNITS}/{e.name}" and e.kind is Kind.FILE}
    log: list[Change] = []
    links: list[Entry] = []
    decided: set[str] = set()
    for verb, pattern in _preset_lines(_text(tree[order.path])):
        regex = glob_regex(pattern)
        named = [name for name in units if regex.fullmatch(name) and name not in decided]
        decided |= set(named)
        if verb == "enable":
            links += [link for name in named for link in _links(units[name], context)]
        if not named and pattern not in decided:
            log.append(Change(f"{UNITS}/{pattern}", "presets", "no such unit: passed over"))
    if not links and not order.optional:
        raise nothing_matched("presets", f"unit that {order.path} enables")
    for link in links:
        edited = put(tree, link, definition, "presets")
        tree = edited.tree
        log += edited.log
    return Edited(tree, tuple(log))


def uphold_wants(
    tree: Tree, order: UpholdWants, definition: SysextDef, context: EditContext
) -> Edited:
    """Turn the links of a target's .wants into a drop-in: in an extension they start nothing.

    :raises EditError: there are none and the edit is not optional, or one leads to no unit.
    """
    folder = f"{UNITS}/{order.target}.wants"
    links = [e for e in tree if e.path.rpartition("/")[0] == folder and e.kind is Kind.SYMLINK]
    if not links:
        if order.optional:
            return Edited(tree)
        raise nothing_matched("uphold_wants", f"link in {folder}")
    names = tuple(sorted(link.name for link in links))
    made = upholds(
        tree, Upholds(target=order.target, units=names, dropin=order.dropin), definition, context
    )
    gone = {link.path for link in links}
    if not [e for e in tree if e.path.startswith(folder + "/") and e.path not in gone]:
        gone.add(folder)
    log = [Change(link.path, "uphold_wants", "now in the drop-in") for link in links]
    return Edited(made.tree.without(gone), (*made.log, *log))


def _preset_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            yield match[1], match[2]


def _links(unit: Entry, context: EditContext) -> Iterator[Entry]:
    """Yield the links that enabling a unit makes; a template has no instance to enable."""
    if "@." in unit.name:
        return
    for key, value in _install_section(_text(unit)):
        for word in value.split():
            if key in _FOLDERS:
                path, target = f"{UNITS}/{word}{_FOLDERS[key]}/{unit.name}", f"../{unit.name}"
            else:
                path, target = f"{UNITS}/{word}", unit.name
            yield link_entry(path, target, mtime=context.epoch, origin="definition")


def _install_section(text: str) -> Iterator[tuple[str, str]]:
    """Yield the assignments of [Install] that make links; a backslash joins lines."""
    section = ""
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line
        elif section == "[Install]" and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            if key.strip() in _FOLDERS or key.strip() == "Alias":
                yield key.strip(), value


def _text(entry: Entry) -> str:
    if entry.content is None or entry.size > LARGEST_TEXT:
        raise EditError(f"{entry.path} is no text of systemd's", {"it is": f"a {entry.kind}"})
    return entry.content.read().decode(errors="replace")

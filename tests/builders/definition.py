"""Definitions and boards as values and as folders, from the few keys that a test is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sysextlib.definition import SysextDef, SysextKind, load_definitions
from sysextlib.edit.changes import EditContext
from sysextlib.gentoo.atom import Atom
from sysextlib.tree import Entry, Tree, file_entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EPOCH = 1_700_000_000
CONTEXT = EditContext(kernel_suffix="-flatcar", epoch=EPOCH)
HEAD = 'name = "flatcar-demo"\nkind = "extra"\npackages = ["app-misc/demo"]\n'
BOARD = """\
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
os_id = "demo"
kernel_suffix = "-demo"
base_images = ["images/{board}/base.squashfs"]
binhosts = ["packages/{board}", "https://example.org/{board}/pkgs"]
"""


def sysext(**keys: Any) -> SysextDef:
    """Return a definition with these fields, the required ones made up."""
    given: dict[str, Any] = {
        "key": "demo",
        "name": "flatcar-demo",
        "kind": SysextKind.EXTRA,
        "packages": (Atom.parse("app-misc/demo"),),
    }
    return SysextDef(**{**given, **keys})


def tree_of(*paths: str, **contents: str) -> Tree:
    """Return a tree of files, each holding its own path; "NAME/" is a folder."""
    entries: list[Entry] = []
    for path in paths:
        name = path.removesuffix("/")
        if name != path:
            name += "/.keep"
        entries.append(file_entry(name, contents.get(name, name).encode(), origin="app-misc/a-1"))
    tree = Tree(entries)
    return tree.without(entry.path for entry in tree if entry.name == ".keep")


def load_definition(folder: Path) -> SysextDef:
    """Return the one extension that a folder defines."""
    (definition,) = load_definitions(folder)
    return definition


def write_definition(
    root: Path, key: str = "demo", text: str = HEAD, files: Mapping[str, str] | None = None
) -> Path:
    """Write sysexts/KEY below ``root`` and return that folder."""
    folder = root / "sysexts" / key
    folder.mkdir(parents=True)
    (folder / "sysext.toml").write_text(text)
    for name, content in (files or {}).items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def write_board(root: Path, name: str = "demo-amd64", text: str = BOARD) -> Path:
    """Write board_overlays/NAME below ``root`` and return that folder."""
    folder = root / "board_overlays" / name
    folder.mkdir(parents=True)
    (folder / "board.toml").write_text(text)
    return folder

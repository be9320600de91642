"""Every line of every definition does something: without it, another tree comes out."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.definition import SysextDef, load_catalogue
from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import EditContext
from sysextlib.errors import SysextError
from sysextlib.gentoo.arch import Arch
from sysextlib.install.native import install
from sysextlib.progress import Silent
from sysextlib.resolve.resolver import resolve
from sysextlib.resolve.use_request import UseRequest, UseRule
from sysextlib.tree import Tree
from tests.builders.base import TreeBase, small_base, tree_of
from tests.builders.binpkg import write_package
from tests.builders.catalogue import all_packages, base_paths

ROOT = Path(__file__).parents[2]
CONTEXT = EditContext(kernel_suffix="-flatcar", epoch=1_700_000_000)
CATALOGUE = {
    key: one for key, one in load_catalogue(ROOT).items() if one.fits("amd64-usr", Arch.AMD64)
}
EDITS = (
    "remove", "keep_only", "copy", "move", "vendor_etc", "write", "symlink", "append", "presets",
    "membership", "sysusers", "tmpfiles", "upholds", "uphold_wants",
)  # fmt: skip
# What the packages of upstream lack, and those of another distribution or board have.
ELSEWHERE = {
    ("containerd", "replace"),
    ("docker", "replace"),
    ("python", "sitecustomize"),
    ("python", "py3versions"),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("packages")
    return [open_binpkg(write_package(folder, spec)) for spec in all_packages()]


@pytest.fixture(scope="module")
def merged(packages, tmp_path_factory: pytest.TempPathFactory):
    """Return, by key, what the packages of each definition bring."""
    base = TreeBase(tree_of({**small_base(), **base_paths()}))
    trees = {}
    for key, definition in CATALOGUE.items():
        use = UseRequest(rules=(UseRule.parse(definition.use),))
        plan = resolve(definition.packages, [p.package for p in packages], [], use=use)
        chosen = [next(p for p in packages if p.package is step.package) for step in plan]
        spool = tmp_path_factory.mktemp(key)
        trees[key] = install(chosen, base, spool=spool, progress=Silent()).tree
    return trees


def edited(tree: Tree, definition: SysextDef) -> Tree | str:
    try:
        return apply_edits(tree, definition, CONTEXT).tree.under("usr")
    except SysextError as error:
        return error.brief


def without_each(definition: SysextDef) -> Iterator[tuple[str, SysextDef]]:
    """Yield a definition for each thing that could be left out of it, and what that is."""
    for name in EDITS:
        orders = getattr(definition, name, ())
        for at, order in enumerate(orders):
            rest = (*orders[:at], *orders[at + 1 :])
            yield f"{name} {order}", replace(definition, **{name: rest})
            parts = next((f.name for f in fields(order) if f.name in PARTS), "")
            values = getattr(order, parts) if parts else ()
            for value in values if len(values) > 1 else ():
                less = replace(order, **{parts: tuple(v for v in values if v != value)})
                yield (
                    f"{name} {value}",
                    replace(definition, **{name: (*orders[:at], less, *orders[at + 1 :])}),
                )
    for entry in definition.files:
        if entry.kind != "directory":
            rest = definition.files.select(lambda e, gone=entry: e.path != gone.path)
            yield f"file {entry.path}", replace(definition, files=rest)
    if definition.udev_waits:
        yield "udev_waits", replace(definition, udev_waits=False)
    if definition.kernel_modules is not None:
        yield "kernel_modules", replace(definition, kernel_modules=None)


PARTS = frozenset({"paths", "lines", "units"})


@pytest.mark.parametrize("key", CATALOGUE)
def test_every_line_does_something(merged, key):
    definition = CATALOGUE[key]
    whole = edited(merged[key], definition)
    assert isinstance(whole, Tree), whole
    idle = [
        what
        for what, less in without_each(definition)
        if edited(merged[key], less) == whole
        and not any(k == key and word in what for k, word in ELSEWHERE)
    ]
    assert idle == []

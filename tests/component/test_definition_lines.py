"""Every line of every definition does something: without it, the golden listing is another one."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sysextlib.base import Base, open_base
from sysextlib.binpkg.binhost import Binhosts, open_binhost
from sysextlib.binpkg.container import open_binpkg
from sysextlib.board import Board, load_board
from sysextlib.check.all import check_tree
from sysextlib.check.kernel_modules import check_kernel_modules
from sysextlib.cli.prepare import below
from sysextlib.definition import Compression, SysextDef, load_catalogue
from sysextlib.edit.after_merge import add_after_merge
from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import EditContext
from sysextlib.errors import SysextError
from sysextlib.findings import Severity, acknowledge
from sysextlib.gentoo.arch import Arch
from sysextlib.install.native import Installed, install
from sysextlib.merge import plan_merge
from sysextlib.order import Inputs, Order
from sysextlib.progress import Silent
from sysextlib.split import split
from sysextlib.stamp import stamp
from sysextlib.system.tools import Tools
from tests.builders.base import small_base, tree_of, write_squashfs
from tests.builders.binpkg import write_binhost
from tests.builders.catalogue import all_packages, base_paths
from tests.builders.demo import demo_board
from tests.builders.golden import FOLDER, golden, of_tree, render
from tests.builders.needs import require_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.binpkg.model import BinaryPackage

ROOT = Path(__file__).parents[2]
BOARDS = {"amd64-usr": Arch.AMD64, "arm64-usr": Arch.ARM64}
CATALOGUE = load_catalogue(ROOT)
KEYS = {
    board: [key for key, one in CATALOGUE.items() if one.fits(board, arch)]
    for board, arch in BOARDS.items()
}
EDITS = (
    "remove", "keep_only", "copy", "move", "vendor_etc", "replace", "write", "symlink", "append",
    "presets", "membership", "sysusers", "tmpfiles", "upholds", "uphold_wants", "privileged",
)  # fmt: skip
PARTS = frozenset({"paths", "lines", "units"})
WARNING = "warning: "
# Lines that only packages of the demo board need, by definition and a word of theirs.
DEMO = {
    ("docker", "acknowledge udev-rules-too-late:usr/lib/udev/rules.d/80-docker.rules"),
    ("oem-qemu", "acknowledge empty-payload:usr"),
    ("oem-azure", "acknowledge unrun-phase:sys-libs/timezone-data:pkg_postinst"),
    ("oem-stackit", "acknowledge unrun-phase:sys-libs/timezone-data:pkg_postinst"),
    ("oem-vmware", "remove usr/lib/*-linux-gnu/*Conf.sh"),
    ("oem-vmware", "privileged usr/bin/fusermount3"),
    ("podman", "privileged usr/bin/new[ug]idmap"),
    ("podman", "privileged usr/bin/pas*t*"),
    ("python", "acknowledge unrun-phase:sys-libs/timezone-data:pkg_postinst"),
}


@dataclass
class Bench:
    """Packages of a board, and what becomes of them by a definition; no image is written."""

    board: Board
    base: Base
    binhosts: Binhosts
    spool: Path
    merged: dict[tuple[Path, ...], tuple[tuple[BinaryPackage, ...], Installed]] = field(
        default_factory=dict
    )

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs(
            board=self.board, base=self.base, pkginfo=(), binhosts=self.binhosts,
            tools=Tools.locate(), jobs=1,
        )  # fmt: skip

    def outcome(self, definition: SysextDef) -> str:
        """Return the listing of what would be the image, or why there would be none.

        Warnings stand below it.
        """
        try:
            return self._listing(definition)
        except SysextError as error:
            return f"{type(error).__name__}: {error.brief}"

    def _listing(self, definition: SysextDef) -> str:
        order = Order(
            definition=definition,
            after=below(definition, CATALOGUE),
            output=self.spool,
            compression=Compression.NONE,
        )
        packages, installed = self._merge(order)
        suffix, epoch, base = self.board.kernel_suffix, self.base.epoch, self.base
        context = EditContext(kernel_suffix=suffix, epoch=epoch, read_base=base.read)
        edited = apply_edits(installed.tree, definition, context)
        edited = add_after_merge(edited.tree, definition, context)
        release = stamp(order, self.board.arch, base, packages)
        parts = split(edited.tree, release, base, definition)
        findings = (
            *installed.findings,
            *parts.findings,
            *check_tree(parts.usr, base, definition, self.board.arch, order.after),
            *check_kernel_modules(parts.usr, base, None),
        )
        judged = acknowledge(findings, definition.acknowledge)
        if errors := [one.key for one in judged if one.severity is Severity.ERROR]:
            return "\n".join(errors)
        warned = [f"{WARNING}{one.key}\n" for one in judged if one.severity is Severity.WARNING]
        return render(of_tree(parts.usr)) + "".join(warned)

    def _merge(self, order: Order) -> tuple[tuple[BinaryPackage, ...], Installed]:
        plan = plan_merge(order, self.inputs)
        files = tuple(self.binhosts.fetch(self.binhosts.find(one)) for one in plan.packages)
        if files not in self.merged:
            packages = tuple(map(open_binpkg, files))
            spool = self.spool / str(len(self.merged))
            spool.mkdir()
            mask = self.board.install_mask
            done = install(
                packages, self.base, install_mask=mask, spool=spool, progress=Silent(), jobs=1
            )
            self.merged[files] = (packages, done)
        return self.merged[files]


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    require_tool("mksquashfs")
    with ExitStack() as stack:
        found = {}
        for board, arch in BOARDS.items():
            folder = tmp_path_factory.mktemp(board)
            image = folder / "base.squashfs"
            write_squashfs(tree_of({**small_base(), **base_paths(arch)}), image)
            place = write_binhost(folder / "binhost", all_packages(arch))
            found[board] = _bench(board, image, place, folder, stack)
        yield found


def _bench(board: str, image: Path, place: Path, folder: Path, stack: ExitStack) -> Bench:
    binhost = open_binhost(str(place), folder / "cache", Silent())
    return Bench(
        board=load_board(board, ROOT),
        base=stack.enter_context(open_base(image)),
        binhosts=Binhosts((binhost,)),
        spool=folder,
    )


def without_each(definition: SysextDef) -> Iterator[tuple[str, SysextDef]]:
    """Yield a definition for each thing that could be left out of it, and what that is."""
    for name in EDITS:
        orders = getattr(definition, name)
        for at, order in enumerate(orders):
            rest = (*orders[:at], *orders[at + 1 :])
            part = _part(order)
            if part is None:
                yield f"{name} {_said(order)}", replace(definition, **{name: rest})
                continue
            values = getattr(order, part)
            for value in values:
                left = tuple(one for one in values if one != value)
                less = (replace(order, **{part: left}),) if left else ()
                orders_left = (*orders[:at], *less, *orders[at + 1 :])
                yield f"{name} {value}", replace(definition, **{name: orders_left})
    for entry in definition.files:
        if entry.kind != "directory":
            rest = definition.files.select(lambda e, gone=entry: e.path != gone.path)
            yield f"file {entry.path}", replace(definition, files=rest)
    if definition.udev_waits:
        yield "udev_waits", replace(definition, udev_waits=False)
    if definition.kernel_modules is not None:
        yield "kernel_modules", replace(definition, kernel_modules=None)
    yield from _without_inputs(definition)


def _without_inputs(definition: SysextDef) -> Iterator[tuple[str, SysextDef]]:
    """Yield definitions of other packages, flags and acknowledgements."""
    several = len(definition.packages) > 1
    for atom in definition.packages if several else ():
        rest = tuple(one for one in definition.packages if one != atom)
        main = None if definition.main_package == atom else definition.main_package
        yield f"packages {atom}", replace(definition, packages=rest, main_package=main)
    if several:
        yield "main_package", replace(definition, main_package=None)
    for flag in definition.use:  # the other way round: without it, the last build is taken
        other = flag.removeprefix("-") if flag.startswith("-") else f"-{flag}"
        turned = tuple(other if one == flag else one for one in definition.use)
        yield f"use {flag}", replace(definition, use=turned)
    for name in definition.after:
        yield f"after {name}", replace(definition, after=())
    for code in definition.acknowledge:
        left = {key: why for key, why in definition.acknowledge.items() if key != code}
        yield f"acknowledge {code}", replace(definition, acknowledge=left)


def _part(order: Any) -> str | None:
    """Return the name of the list that an edit has, when it has one that is not empty."""
    names = [one.name for one in fields(order)] if not isinstance(order, str) else []
    return next((name for name in names if name in PARTS and getattr(order, name)), None)


def _said(order: Any) -> str:
    """Return the words by which a person finds an edit in its file."""
    if isinstance(order, str):
        return order
    return next(str(getattr(order, one.name)) for one in fields(order) if getattr(order, one.name))


@pytest.mark.parametrize(
    ("board", "key"), [(board, key) for board in BOARDS for key in KEYS[board]]
)
def test_a_definition_gives_what_its_golden_listing_says(benches, board, key):
    """Set UPDATE_GOLDEN=1 to write the listings anew, and read the difference before a commit."""
    name = CATALOGUE[key].name
    found = listed(benches[board].outcome(CATALOGUE[key]))
    assert f"extension-release.{name}\n" in found, found
    if os.environ.get("UPDATE_GOLDEN"):
        golden(board, name).parent.mkdir(parents=True, exist_ok=True)
        golden(board, name).write_text(found)
    assert found == golden(board, name).read_text()


def test_there_are_listings_of_34_and_18_extensions():
    there = {board: {path.stem for path in (FOLDER / board).iterdir()} for board in BOARDS}
    assert there == {board: {CATALOGUE[key].name for key in KEYS[board]} for board in BOARDS}
    assert [len(names) for names in there.values()] == [34, 18]


def listed(outcome: str) -> str:
    """Return an outcome without its warnings."""
    return "".join(line for line in outcome.splitlines(True) if not line.startswith(WARNING))


def lines(bench: Bench, definition: SysextDef) -> dict[str, bool]:
    """Return, for each line of a definition, whether there would be another outcome without it."""
    expected = bench.outcome(definition)
    return {what: bench.outcome(less) != expected for what, less in without_each(definition)}


@pytest.mark.parametrize("key", KEYS["amd64-usr"])
def test_without_any_line_of_a_definition_the_golden_listing_is_not_met(benches, key):
    bench, definition = benches["amd64-usr"], CATALOGUE[key]
    idle = {what for what, matters in lines(bench, definition).items() if not matters}
    # what several variants of a file share, one of them must need
    family = {who: one for who, one in CATALOGUE.items() if one.folder == definition.folder}
    idle -= {what for who, what in DEMO if who in family}
    for one in family.values() if idle else ():
        idle -= {what for what, matters in lines(bench, one).items() if matters}
    assert not idle


def test_each_glob_of_a_set_removes_something(benches):
    sets = {name: globs for one in CATALOGUE.values() for name, globs in one.sets.items()}
    idle = set(sets)
    for name, globs in sets.items():
        for glob in globs:
            left = tuple(one for one in globs if one != glob)
            changed = [
                key
                for key in KEYS["amd64-usr"]
                if name in CATALOGUE[key].sets
                and listed(
                    benches["amd64-usr"].outcome(
                        replace(CATALOGUE[key], sets={**CATALOGUE[key].sets, name: left})
                    )
                )
                != golden("amd64-usr", CATALOGUE[key].name).read_text()
            ]
            idle.discard(name)
            if not changed:
                idle.add(glob)
    assert idle == {"usr/lib/*-linux-gnu/cmake", "usr/lib/*-linux-gnu/pkgconfig"}  # the demo's


@pytest.mark.parametrize("board", BOARDS)
def test_each_flag_of_a_board_chooses_a_package(benches, board):
    bench = benches[board]
    for line in bench.board.package_use:
        for flag in line.flags:
            left = replace(line, flags=tuple(one for one in line.flags if one != flag))
            lines = tuple(left if one == line else one for one in bench.board.package_use)
            other = replace(bench, board=replace(bench.board, package_use=lines))
            changed = [
                key
                for key in KEYS[board]
                if listed(other.outcome(CATALOGUE[key]))
                != golden(board, CATALOGUE[key].name).read_text()
            ]
            assert changed, f"{line.atom} {flag}"


def test_lines_for_the_demo_board_are_there():
    for who, what in DEMO:
        assert what in dict(without_each(CATALOGUE[who]))


@pytest.mark.demo
@pytest.mark.slow
@pytest.mark.parametrize("key", sorted({key for key, _ in DEMO}))
def test_lines_for_the_demo_board_do_something_there(tmp_path, key):
    demo = demo_board()
    with ExitStack() as stack:
        bench = _bench("demo-amd64", demo.image, demo.packages, tmp_path, stack)
        whole = bench.outcome(CATALOGUE[key])
        assert "extension-release" in whole, whole
        idle = [
            what
            for what, less in without_each(CATALOGUE[key])
            if (key, what) in DEMO and bench.outcome(less) == whole
        ]
    assert idle == []

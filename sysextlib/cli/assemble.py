"""The commands that put OS images together: base-sysexts and oem-partition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.base import open_base
from sysextlib.cli.call import Call
from sysextlib.cli.find_base import ROOT, find_base
from sysextlib.cli.flags import BUILD
from sysextlib.cli.groups import choose_all, full_catalogue
from sysextlib.cli.installer import with_installer
from sysextlib.cli.prepare import chosen_board, prepare, prepare_keys
from sysextlib.cli.receipt import receipt_json, show_receipt
from sysextlib.cli.views import choose_view
from sysextlib.definition import below
from sysextlib.errors import DefinitionError, UsageError
from sysextlib.image_root import merged_view, pack_root, place_extension, require_writable
from sysextlib.oem import fill_oem_partition, oem_definition
from sysextlib.pipeline import build as build_one
from sysextlib.system.publish import shared_scratch
from sysextlib.system.tools import Tools
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.board import Board
    from sysextlib.cli.views import View
    from sysextlib.definition import SysextDef
    from sysextlib.order import Keys
    from sysextlib.report.receipt import Receipt

OWN = frozenset({"base_root", "merged_root", "json"})  # flags that a build does not take


def base_sysexts(call: Call) -> int:
    """Build the extensions that an image holds itself, each on those before it, and place them."""
    root = Path(_required(call, "base_root", "the root of the OS image"))
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder", hint="see --base_root")
    board = chosen_board(call)
    chain = _chain(full_catalogue(ROOT), call.words, board)
    output = Path(call.text("image_builddir") or root.parent / "rootfs-included-sysexts")
    if ":" in str(output):
        raise UsageError(f"{output} cannot hold package databases: it has a colon in its name")
    merged = call.text("merged_root")
    if merged and Path(merged).exists():
        raise UsageError(f"{merged} exists already", hint="remove it, or name another folder")
    require_writable(root)
    tools = Tools.locate()
    tools.require("mksquashfs", "mkfs.erofs", "fsck.erofs")
    with choose_view(quiet=call.on("json")) as view, shared_scratch(output) as scratch:
        progress = view.build("base-sysexts")
        keys = prepare_keys(call, progress)
        base = call.text("squashfs_base")
        if base is None:
            base = str(scratch / "base-os.squashfs")
            with progress.step(f"Pack {root}"):
                pack_root(root, Path(base), tools)
        receipts = _build_chain(call, chain, base, output, keys, view)
        for receipt in receipts:
            place_extension(root, output / OutputNames(receipt.name).image)
        if merged:
            names = [OutputNames(receipt.name) for receipt in receipts]
            pairs = [(output / one.image, output / one.pkginfo) for one in names]
            with progress.step(f"Lay out {merged}"):
                merged_view(root, pairs, Path(merged), tools)
    if call.on("json"):
        print(receipt_json(receipts))
    else:
        show_receipt(receipts)
    return 0


def oem_partition(call: Call) -> int:
    """Write what an OEM partition holds for an extension into a folder."""
    if len(call.words) != 1:
        raise UsageError(
            "oem-partition takes one folder", hint="./build_sysext.py oem-partition --oem=ID FOLDER"
        )
    oem = _required(call, "oem", "the id of the cloud or hypervisor")
    board = chosen_board(call)
    catalogue = full_catalogue(ROOT)
    fitting = [one for one in catalogue.values() if one.fits(board.name, board.arch)]
    definition = oem_definition(oem, fitting, board)
    grub = call.text("grub_cfg")
    if grub is not None and not Path(grub).is_file():
        raise UsageError(f"{grub} is not a file", hint="see --grub_cfg")
    with choose_view(quiet=call.on("json")) as view:
        found = find_base(call, board, view.build("oem-partition"))
    with open_base(found.image) as base:
        written = fill_oem_partition(
            Path(call.words[0]),
            found.output / OutputNames(definition.name).image,
            definition,
            base=base,
            board=board,
            grub_cfg=Path(grub) if grub else None,
            tools=Tools.locate(),
        )
    paths = [str(path) for path in written]
    print(json.dumps({"written": paths}, indent=2) if call.on("json") else "\n".join(paths))
    return 0


def _required(call: Call, flag: str, what: str) -> str:
    value = call.text(flag)
    if not value:
        raise UsageError(f"{call.command} needs --{flag}, {what}")
    return value


def _chain(
    catalogue: Mapping[str, SysextDef], words: Sequence[str], board: Board
) -> list[SysextDef]:
    """Return the base extensions that words name, or all, each after those below it."""
    chosen = choose_all(catalogue, words or ["base"], board)
    for one in chosen:
        if one.kind != "base":
            raise DefinitionError(
                f"{one.key} is no base extension", {"kind": one.kind, "file": one.folder or ""}
            )
    chain: dict[str, SysextDef] = {}
    for one in chosen:
        for lower in (*below(one, catalogue), one):
            chain.setdefault(lower.key, lower)
    return list(chain.values())


def _build_chain(
    call: Call,
    chain: Sequence[SysextDef],
    base: str,
    output: Path,
    keys: Keys,
    view: View,
) -> list[Receipt]:
    """Build one after the other; each sees the package databases of all before it."""
    receipts: list[Receipt] = []
    for one in chain:
        progress = view.build(one.name)
        databases = [str(output / OutputNames(done.name).pkginfo) for done in receipts]
        flags = {key: value for key, value in call.given.items() if key not in OWN}
        flags |= {"squashfs_base": base, "image_builddir": str(output), "generate_pkginfo": True}
        flags["payload"] = False  # these travel in the OS image
        if databases:
            flags["base_pkginfo"] = ":".join(databases)
        step = Call(BUILD, (one.key,), flags)
        job = prepare(step, progress, keys)
        with with_installer(step, job.inputs, progress, job.orders) as inputs:
            receipts += [build_one(order, inputs, keys, progress) for order in job.orders]
    return receipts

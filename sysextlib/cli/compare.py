"""The command compare-installers: both build, and whatever differs is shown."""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.cli.installer import with_installer
from sysextlib.cli.prepare import prepare
from sysextlib.cli.views import choose_view
from sysextlib.errors import UsageError
from sysextlib.image.inspect import inspect_image
from sysextlib.pipeline import build
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from sysextlib.cli.call import Call
    from sysextlib.cli.views import View
    from sysextlib.order import Inputs, Keys, Order
    from sysextlib.system.tools import Tools

DIFFERENT = 27  # exit code: the same answer as that of explain, "no"
# Fields of an image's entry that follow from where others lie, not from what was installed.
PLACES = frozenset({"nid", "extents"})


def compare_installers(call: Call) -> int:
    """Build with our own installer and with emerge; return 0 when all images are the same bytes."""
    if call.text("installer") == "native":
        raise UsageError(
            "compare-installers needs another installer than native",
            hint="--installer=sdk, which is the default here, or --installer=emerge",
        )
    found: dict[str, list[str]] = {}
    with (
        choose_view(quiet=call.on("json")) as view,
        tempfile.TemporaryDirectory(prefix="compare-installers-") as scratch,
    ):
        progress = view.build("compare-installers")
        job = prepare(call, progress)
        assert job.keys is not None  # both builds sign
        with with_installer(call, job.inputs, progress, job.orders) as inputs:
            for order in job.orders:
                found[order.name] = _compare(order, inputs, job.keys, view, Path(scratch))
    if call.on("json"):
        print(json.dumps(found, indent=2))
    else:
        for name, differences in found.items():
            print(f"{name}: {'the same' if not differences else 'DIFFERENT'}")
            for line in differences:
                print(f"  {line}")
    return DIFFERENT if any(found.values()) else 0


def _compare(order: Order, inputs: Inputs, keys: Keys, view: View, scratch: Path) -> list[str]:
    """Build one extension twice, and return what differs, a line each."""
    images = {}
    for who, chosen in (("native", replace(inputs, sdk=None)), ("emerge", inputs)):
        folder = scratch / who / order.name
        build(replace(order, output=folder), chosen, keys, view.build(f"{order.name} {who}"))
        names = OutputNames(order.name)
        images[who] = [folder / names.image, folder / names.confext]
    found = []
    for native, emerge in zip(images["native"], images["emerge"], strict=True):
        if native.exists() != emerge.exists():
            who = "native" if native.exists() else "emerge"
            found.append(f"{native.name}: only {who} makes it")
        elif native.exists() and native.read_bytes() != emerge.read_bytes():
            found += _differences(native, emerge, inputs.tools)
    return found


def _differences(native: Path, emerge: Path, tools: Tools) -> list[str]:
    ours, theirs = (
        {entry.path: entry for entry in inspect_image(path, tools).entries}
        for path in (native, emerge)
    )
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(path), theirs.get(path)
        if one is None or other is None:
            found.append(f"/{path}: only {'emerge' if one is None else 'native'} has it")
            continue
        found += [
            f"/{path}: {field.name} {getattr(one, field.name)} native,"
            f" {getattr(other, field.name)} emerge"
            for field in fields(one)
            if field.name not in PLACES and getattr(one, field.name) != getattr(other, field.name)
        ]
    return found or [f"{native.name}: the contents of files, or the order in which they lie"]

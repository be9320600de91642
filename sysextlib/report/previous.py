"""Whether the outputs of an earlier build are still what a build would make now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sysextlib.findings import Finding, Severity
from sysextlib.ingredients import differences
from sysextlib.report.manifest import FORMAT, File
from sysextlib.report.receipt import Receipt, dropped_count, file_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sysextlib.workspace import OutputNames

LARGEST = 64 << 20  # bytes of a manifest that is read


def reusable(
    folder: Path, names: OutputNames, needed: Mapping[str, str]
) -> Receipt | tuple[str, ...]:
    """Return the receipt of the earlier build when its outputs can stay, else why they cannot.

    :param needed: what a build would be made of, by ``ingredients``.
    """
    path = folder / names.manifest
    if not path.exists():
        return ("no earlier build is here",)
    try:
        with path.open("rb") as stream:
            manifest = json.loads(stream.read(LARGEST))
        if manifest["format"] != FORMAT or not isinstance(manifest["ingredients"], dict):
            return ("its manifest is of another version of this program",)
        changed = differences(manifest["ingredients"], needed)
        if changed:
            return changed
        files = [File(**one) for one in manifest["outputs"]]
        for file in files:
            there = folder / file.name
            if not there.is_file() or file_facts(there) != file:
                return (f"{file.name} is not as it was built",)
        return _receipt(folder, names, manifest, (*files, file_facts(path)))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    ):
        return ("its manifest cannot be read",)


def _receipt(
    folder: Path, names: OutputNames, manifest: dict[str, Any], files: tuple[File, ...]
) -> Receipt:
    findings = [
        Finding(one["code"], one["subject"], one["message"], Severity(one["severity"]))
        for one in manifest["findings"]
    ]
    return Receipt(
        name=names.name,
        folder=folder,
        files=tuple(sorted(files, key=lambda file: file.name)),
        root_hash=manifest["image"]["root_hash"],
        confext_root_hash=manifest["confext"].get("root_hash", ""),
        packages=tuple(one["cpv"] for one in manifest["packages"]),
        dropped=dropped_count(folder / names.dropped),
        findings=tuple(findings),
        reused=True,
    )

"""What the user is told of finished builds."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from sysextlib.errors import harmless
from sysextlib.findings import Severity
from sysextlib.report.disk_usage import human
from sysextlib.report.receipt import reasons_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.errors import SysextError
    from sysextlib.report.receipt import Receipt

SHORTEST = 15  # characters of a digest that is cut short and still tells files apart


def show_receipt(receipts: Sequence[Receipt]) -> None:
    """Print a line for each file with size and SHA-256, and each image's root hash.

    On a terminal that is too narrow the digests are cut short; the manifest has them whole.
    """
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for receipt in receipts:
        print(f"\n{receipt.name}: {_sum(receipt)}, in {receipt.folder}")
        if receipt.reused:
            print("  nothing changed since it was built; --no-cache builds it anew")
        width = max(len(file.name) for file in receipt.files)
        for file in receipt.files:
            digest = _fitting(file.sha256, columns - width - 11)
            print(f"  {file.name:<{width}} {human(file.size):>6}  {digest}".rstrip())
        print(f"  root hash {receipt.root_hash}")
        if receipt.confext_root_hash:
            print(f"  root hash of the confext {receipt.confext_root_hash}")
        for finding in receipt.findings:
            if finding.severity is Severity.WARNING:
                message = finding.message.partition("\n")[0]
                print(harmless(f"  warning: {finding.key}: {message}"))


def show_summary(outcomes: Mapping[str, Receipt | SysextError]) -> None:
    """Print one line for each extension: what became of it, how large it is, and why."""
    width = max(map(len, [*outcomes, "NAME"]))
    print(f"\n{'NAME':<{width}}  RESULT  {'SIZE':>6}  PACKAGES  REASON")
    for name, outcome in outcomes.items():
        result, size, packages, why = _row(outcome)
        print(f"{name:<{width}}  {result:<6}  {size:>6}  {packages:>8}  {why}")


def receipt_json(
    receipts: Sequence[Receipt], failed: Sequence[tuple[str, SysextError]] = ()
) -> str:
    """Return the same for programs; failures by the name of their extension."""
    return json.dumps(
        {
            "built": [{**asdict(receipt), "folder": str(receipt.folder)} for receipt in receipts],
            "failed": [
                {
                    "name": name,
                    "error": error.brief,
                    "facts": error.facts,
                    "hint": error.hint,
                    "exit_code": error.exit_code,
                }
                for name, error in failed
            ],
        },
        indent=2,
    )


def _row(outcome: Receipt | SysextError) -> tuple[str, str, str, str]:
    if isinstance(outcome, Exception):
        return "failed", "-", "-", outcome.brief
    size = sum(file.size for file in outcome.files if file.name == f"{outcome.name}.raw")
    why = "nothing changed" if outcome.reused else reasons_text(outcome.reasons)
    return "reused" if outcome.reused else "built", human(size), str(len(outcome.packages)), why


def _sum(receipt: Receipt) -> str:
    count = len(receipt.packages)
    packages = f"{count} package{'s' if count != 1 else ''} merged"
    paths = f"{receipt.dropped} path{'s' if receipt.dropped != 1 else ''} dropped"
    return f"{packages}, {paths}" if receipt.dropped else packages


def _fitting(digest: str, room: int) -> str:
    """Return a digest, or as much of it as there is room for; nothing when that tells nothing."""
    if room >= len(digest):
        return digest
    return f"{digest[: room - 3]}..." if room >= SHORTEST else ""

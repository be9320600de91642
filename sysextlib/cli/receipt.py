"""What the user is told of finished builds."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sysextlib.findings import Severity
from sysextlib.report.disk_usage import human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.errors import SysextError
    from sysextlib.order import Order
    from sysextlib.receipt import Receipt


def show_receipt(receipts: Sequence[Receipt]) -> None:
    """Print a table: each file with size and SHA-256, each image with its root hash."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    for receipt in receipts:
        table = Table(
            title=f"{receipt.name}: {_sum(receipt)}",
            title_justify="left",
            title_style="bold",
            box=None,
            header_style="dim",
        )
        table.add_column("file")
        table.add_column("size", justify="right")
        table.add_column("sha256", overflow="fold")
        for file in receipt.files:
            table.add_row(file.name, human(file.size), file.sha256)
        console.print(table)
        console.print(f" root hash  {receipt.root_hash}")
        console.print(f" in         {receipt.folder}")
        for finding in receipt.findings:
            if finding.severity is Severity.WARNING:
                first = finding.message.partition("\n")[0]
                console.print(f" [yellow]![/yellow] {finding.key}: {first}")


def receipt_json(receipts: Sequence[Receipt], failed: Sequence[tuple[Order, SysextError]]) -> str:
    """Return the same for programs."""
    return json.dumps(
        {
            "built": [{**asdict(receipt), "folder": str(receipt.folder)} for receipt in receipts],
            "failed": [
                {
                    "name": order.name,
                    "error": error.brief,
                    "facts": error.facts,
                    "hint": error.hint,
                    "exit_code": error.exit_code,
                }
                for order, error in failed
            ],
        },
        indent=2,
    )


def _sum(receipt: Receipt) -> str:
    count = len(receipt.packages)
    packages = f"{count} package{'s' if count != 1 else ''} merged"
    return f"{packages}, {receipt.dropped} paths dropped" if receipt.dropped else packages

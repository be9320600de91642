"""The commands build and plan."""

from __future__ import annotations

import json
import sys
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sysextlib.binpkg.shared import SharedPackages
from sysextlib.cli.installer import with_installer
from sysextlib.cli.prepare import Job, prepare
from sysextlib.cli.receipt import receipt_json, show_receipt, show_summary
from sysextlib.cli.views import choose_view
from sysextlib.errors import SysextError
from sysextlib.merge import plan_merge
from sysextlib.pipeline import build as build_one
from sysextlib.report.receipt import Receipt
from sysextlib.system.publish import shared_scratch

if TYPE_CHECKING:
    from sysextlib.cli.call import Call
    from sysextlib.cli.views import View
    from sysextlib.order import Order

Outcome: TypeAlias = Receipt | SysextError
MEMORY = 1 << 30  # bytes that a large build may need


def plan(call: Call) -> int:
    """Show what would be merged, and why."""
    with choose_view(quiet=False) as view:
        job = prepare(call, view.build("plan"))
        plans = {order.name: plan_merge(order, job.inputs) for order in job.orders}
    if call.on("json"):
        print(
            json.dumps({name: json.loads(one.to_json()) for name, one in plans.items()}, indent=2)
        )
        return 0
    for name, one in plans.items():
        if len(plans) > 1:
            print(f"{name}:")
        print(one.render(), end="")
    return 0


def build(call: Call) -> int:
    """Build every extension that is named; one that fails does not stop the others."""
    quiet = call.on("quiet")
    with choose_view(quiet=quiet or call.on("json")) as view:
        progress = view.build("build_sysext")
        job = prepare(call, progress)
        with with_installer(call, job.inputs, progress, job.orders) as inputs:
            outcomes = _build_all(replace(job, inputs=inputs), view)
    receipts = [one for one in outcomes.values() if isinstance(one, Receipt)]
    failed = [(name, one) for name, one in outcomes.items() if isinstance(one, SysextError)]
    if call.on("json"):
        print(receipt_json(receipts, failed))
    elif quiet:
        for receipt in receipts:
            print(receipt.folder / f"{receipt.name}.raw")
    else:
        show_receipt(receipts)
        if len(outcomes) > 1:
            show_summary(outcomes)
    for name, error in failed:
        print(
            f"error: {name}: {error}" if len(outcomes) > 1 else f"error: {error}", file=sys.stderr
        )
    return failed[0][1].exit_code if failed else 0


def _workers(jobs: int) -> int:
    """Return how many builds may run at once: no more than processors, nor than memory holds."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        return 1
    return max(1, min(jobs, free // MEMORY))


def _build_all(job: Job, view: View) -> dict[str, Outcome]:
    """Build what a call names, side by side; return what came of each, in the order of the call."""
    if len(job.orders) == 1:
        return {order.name: _try(order, job, view) for order in job.orders}
    with shared_scratch(job.orders[0].output) as spool:
        shared = replace(job, inputs=replace(job.inputs, shared=SharedPackages(spool)))
        return _side_by_side(shared, view)


def _side_by_side(job: Job, view: View) -> dict[str, Outcome]:
    pool = ThreadPoolExecutor(_workers(job.inputs.jobs), "build")
    try:
        running = {order.name: pool.submit(_try, order, job, view) for order in job.orders}
        wait(running.values(), return_when=FIRST_EXCEPTION)
        return {name: future.result() for name, future in running.items()}
    except BaseException:
        if job.inputs.sdk is not None:  # the builds of the pool wait for it
            job.inputs.sdk.runner.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _try(order: Order, job: Job, view: View) -> Outcome:
    assert job.keys is not None  # the command build signs
    try:
        return build_one(order, job.inputs, job.keys, view.build(order.name))
    except SysextError as error:
        return error

"""The commands build and plan."""

from __future__ import annotations

import json
import sys
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.binpkg.shared import SharedPackages
from sysextlib.cli.installer import with_installer
from sysextlib.cli.prepare import Job, prepare, prepare_keys
from sysextlib.cli.receipt import receipt_json, show_receipt, show_summary
from sysextlib.cli.views import choose_view
from sysextlib.errors import SysextError
from sysextlib.merge import plan_merge
from sysextlib.pipeline import build as build_one
from sysextlib.system.publish import shared_scratch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sysextlib.cli.call import Call
    from sysextlib.cli.views import View
    from sysextlib.order import Keys, Order
    from sysextlib.report.receipt import Receipt

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
        keys = prepare_keys(call, progress)
        with with_installer(call, job.inputs, progress, job.orders) as inputs:
            receipts, failed = _build_shared(replace(job, inputs=inputs), keys, view)
    if call.on("json"):
        print(receipt_json(receipts, failed))
    elif quiet:
        for receipt in receipts:
            print(receipt.folder / f"{receipt.name}.raw")
    else:
        show_receipt(receipts)
        if len(job.orders) > 1:
            show_summary([order.name for order in job.orders], receipts, failed)
    for order, error in failed:
        print(f"error: {order.name}: {error}", file=sys.stderr)
    return failed[0][1].exit_code if failed else 0


def _workers(jobs: int) -> int:
    """Return how many builds may run at once: no more than processors, nor than memory holds."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        return 1
    return max(1, min(jobs, free // MEMORY))


def _build_shared(
    job: Job, keys: Keys, view: View
) -> tuple[list[Receipt], list[tuple[Order, SysextError]]]:
    """Build one extension, or several that share what they unpack."""
    if len(job.orders) == 1:
        order = job.orders[0]
        return [build_one(order, job.inputs, keys, view.build(order.name))], []
    with shared_scratch(job.orders[0].output) as spool:
        shared = replace(job.inputs, shared=SharedPackages(spool))
        return _build_all(replace(job, inputs=shared), keys, view)


def _build_all(
    job: Job, keys: Keys, view: View
) -> tuple[list[Receipt], list[tuple[Order, SysextError]]]:
    """Build side by side; return what came of each, in the order in which they were named."""
    done: dict[str, Receipt] = {}
    failed: dict[str, SysextError] = {}
    pool = ThreadPoolExecutor(_workers(job.inputs.jobs), "build")
    try:
        running: dict[Future[Receipt], Order] = {
            pool.submit(build_one, order, job.inputs, keys, view.build(order.name)): order
            for order in job.orders
        }
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                order = running.pop(future)
                try:
                    done[order.name] = future.result()
                except SysextError as error:
                    failed[order.name] = error
    except BaseException:
        if job.inputs.sdk is not None:  # the builds of the pool wait for it
            job.inputs.sdk.runner.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return (
        [done[order.name] for order in job.orders if order.name in done],
        [(order, failed[order.name]) for order in job.orders if order.name in failed],
    )

"""One build from an order to published files: the only module that knows the order of steps."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.check.all import check_tree
from sysextlib.check.kernel_modules import check_kernel_modules
from sysextlib.edit.after_merge import add_after_merge
from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import EditContext
from sysextlib.edit.mangle import run_mangle
from sysextlib.edit.strip import strip_argv, strip_binaries
from sysextlib.errors import FindingsError
from sysextlib.findings import Severity, acknowledge
from sysextlib.image.ddi import write_ddi
from sysextlib.image.pkginfo import write_pkginfo
from sysextlib.image.verify import verify_ddi
from sysextlib.ingredients import ingredients
from sysextlib.merge import merge, plan_merge
from sysextlib.payload.verify import check_written
from sysextlib.payload.writer import write_payload
from sysextlib.report.previous import reusable
from sysextlib.report.receipt import Build, Confext, Receipt, reasons_text
from sysextlib.report.write import write_reports
from sysextlib.selinux.label import label, without_labels
from sysextlib.split import split
from sysextlib.stamp import stamp
from sysextlib.system.publish import staging
from sysextlib.tree import Tree, length_prefixed
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sysextlib.edit.changes import Change
    from sysextlib.findings import Finding
    from sysextlib.image.ddi import DdiFacts
    from sysextlib.order import Inputs, Keys, Order
    from sysextlib.payload.writer import PayloadFacts
    from sysextlib.progress import Progress
    from sysextlib.resolve.plan import MergePlan
    from sysextlib.selinux.policy import Policy
    from sysextlib.split import Split
    from sysextlib.system.publish import Staging


def build(order: Order, inputs: Inputs, keys: Keys, progress: Progress) -> Receipt:
    """Build, verify and publish one extension.

    :raises SysextError: any; the output folder is then as it was.
    """
    names = OutputNames(order.name)
    base = inputs.base
    with staging(order.output, order.name) as stage:
        plan, made_of, known = _look_back(order, inputs, keys, names, progress)
        if isinstance(known, Receipt):
            return known
        merged = merge(order, inputs, stage, progress, plan)

        with progress.step("Edit"):
            edited, changes = _edit(merged.installed.tree, order, inputs, stage)

        with progress.step("Keep what is new, stamp, label and check it"):
            release = stamp(order, inputs.board.arch, base, merged.packages)
            parts = _labelled(split(edited, release, base, order.definition), order.policy)
            findings = _judge(order, inputs, parts, merged.installed.findings)

        with progress.step(f"Write image of {len(parts.usr)} entries"):
            image, confext = _write_images(parts, names, order, inputs, keys, stage)
            if order.pkginfo:
                write_pkginfo(
                    merged.installed.vdb, stage.outputs / names.pkginfo,
                    epoch=base.epoch, tools=inputs.tools, jobs=inputs.jobs,
                )  # fmt: skip

        with progress.step("Write payload, verify everything" if order.payload else "Verify"):
            trees = {image.path: parts.usr}
            if confext is not None:
                trees[confext.image.path] = parts.etc
            payload = _payload_and_verify(order, image, trees, inputs, keys, stage, progress)

        done = Build(
            order=order,
            inputs=inputs,
            ingredients=made_of or ingredients(order, inputs, keys, merged.plan),
            plan=merged.plan,
            files=merged.files,
            release=release,
            tree=parts.usr,
            changes=changes,
            dropped=parts.dropped,
            masked=merged.installed.masked,
            findings=findings,
            image=image,
            confext=confext,
            payload=payload,
        )
        with progress.step("Write reports, publish"):
            files = write_reports(done, names, stage.outputs)
            stage.publish(stale=names.all)
    return Receipt.of(done, files, known)


def _look_back(
    order: Order, inputs: Inputs, keys: Keys, names: OutputNames, progress: Progress
) -> tuple[MergePlan | None, Mapping[str, str], Receipt | tuple[str, ...]]:
    """Return the plan, what a build is made of, and the earlier build or why it is not enough.

    What emerge in the SDK will merge nobody knows before, so with it every build is made.
    """
    if inputs.sdk is not None:
        return None, {}, ("emerge merges the packages",)
    with progress.step("Resolve packages"):
        plan = plan_merge(order, inputs)
        made_of = ingredients(order, inputs, keys, plan)
        known = reusable(order.output, names, made_of) if order.reuse else ("--no-cache was given",)
    if not isinstance(known, Receipt):
        progress.note(f"built because {reasons_text(known)}")
    return plan, made_of, known


def _edit(
    tree: Tree, order: Order, inputs: Inputs, stage: Staging
) -> tuple[Tree, tuple[Change, ...]]:
    """Apply the definition's edits, then what flags ask for, then what all of it needs."""
    board = inputs.board
    context = EditContext(
        kernel_suffix=board.kernel_suffix, epoch=inputs.base.epoch, read_base=inputs.base.read
    )
    edited = apply_edits(tree, order.definition, context)
    tree, changes = edited.tree, edited.log
    if order.strip:
        program = strip_argv(board.chost, board.arch, inputs.tools)
        stripped = strip_binaries(tree, program, stage.folder("strip"), jobs=inputs.jobs)
        tree, changes = stripped.tree, (*changes, *stripped.log)
    if order.mangle is not None:
        scratch = stage.folder("mangle")
        mangled = run_mangle(order.mangle, tree, inputs.tools, scratch, epoch=inputs.base.epoch)
        tree, changes = mangled.tree, (*changes, *mangled.changes)
    settled = add_after_merge(tree, order.definition, context)
    return settled.tree, (*changes, *settled.log)


def _labelled(parts: Split, policy: Policy | None) -> Split:
    """Give every entry the policy's label, or see to it that none bears any."""
    if policy is None:
        return replace(parts, usr=without_labels(parts.usr), etc=without_labels(parts.etc))
    labelled = label(Tree([*parts.usr, *parts.etc]), policy)
    return replace(
        parts,
        usr=labelled.tree.select(lambda entry: entry.path in parts.usr),
        etc=labelled.tree.select(lambda entry: entry.path in parts.etc),
        findings=(*parts.findings, *labelled.findings),
    )


def _judge(
    order: Order, inputs: Inputs, parts: Split, found: Sequence[Finding]
) -> tuple[Finding, ...]:
    """Check the trees; acknowledge what the definition knows of, stop at errors that it does not.

    :param found: what was noticed before.
    :raises FindingsError: naming every one of them.
    """
    definition, base = order.definition, inputs.base
    whole = Tree([*parts.usr, *parts.etc])
    findings = (
        *found,
        *parts.findings,
        *check_tree(whole, base, definition, inputs.board.arch, order.after),
        *check_kernel_modules(parts.usr, base, order.module_key),
    )
    judged = acknowledge(findings, definition.acknowledge)
    errors = [finding for finding in judged if finding.severity is Severity.ERROR]
    if errors:
        raise FindingsError(
            f"{definition.name} would not work as it is",
            {finding.key: finding.message for finding in errors},
            hint="correct the definition, or acknowledge each with its reason under [acknowledge]",
        )
    return judged


def _write_images(
    parts: Split, names: OutputNames, order: Order, inputs: Inputs, keys: Keys, stage: Staging
) -> tuple[DdiFacts, Confext | None]:
    image = _write(parts.usr, names.image, order, inputs, keys, stage)
    if not len(parts.etc):
        return image, None
    made = _write(parts.etc, names.confext, order, inputs, keys, stage)
    return image, Confext(tree=parts.etc, image=made)


def _write(
    tree: Tree, name: str, order: Order, inputs: Inputs, keys: Keys, stage: Staging
) -> DdiFacts:
    return write_ddi(
        tree,
        stage.outputs / name,
        arch=inputs.board.arch,
        seed=_seed(order, inputs, tree),
        epoch=inputs.base.epoch,
        key=keys.image,
        tools=inputs.tools,
        compression=order.compression,
        mkerofs_opts=order.mkerofs_opts,
        jobs=inputs.jobs,
        scratch=stage.folder("mkfs"),
    )


def _payload_and_verify(
    order: Order,
    image: DdiFacts,
    trees: Mapping[Path, Tree],
    inputs: Inputs,
    keys: Keys,
    stage: Staging,
    progress: Progress,
) -> PayloadFacts | None:
    """Write the update payload, if wanted, while the images are read back by another path."""
    with ThreadPoolExecutor(1, "verify") as pool:
        verified = [
            pool.submit(
                verify_ddi,
                path,
                inputs.tools,
                certificate=keys.image.certificate,
                tree=tree,
                jobs=inputs.jobs,
                scratch=stage.folder("verify"),
            )
            for path, tree in trees.items()
        ]
        payload = None
        if order.payload:
            out = stage.outputs / OutputNames(stage.name).payload
            payload = write_payload(
                image.path, out, keys.payload, jobs=inputs.jobs, progress=progress
            )
            check_written(out, keys.payload[-1].public, image.sha256)
        for each in verified:
            each.result()
    return payload


def _seed(order: Order, inputs: Inputs, tree: Tree) -> bytes:
    """Return what UUIDs and salts are derived from: a digest of all that the image depends on."""
    fields = (
        order.name,
        inputs.board.name,
        inputs.base.version_id,
        order.compression,
        order.mkerofs_opts,
        tree.digest(),
    )
    return hashlib.sha256(length_prefixed(field.encode() for field in fields)).digest()

"""One build from an order to published files: the only module that knows the order of steps."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sysextlib.binpkg.container import open_binpkg
from sysextlib.check.privileges import check_privileges
from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import EditContext
from sysextlib.edit.mangle import run_mangle
from sysextlib.edit.strip import strip_argv, strip_binaries
from sysextlib.errors import FindingsError
from sysextlib.findings import Severity, acknowledge
from sysextlib.image.ddi import write_ddi
from sysextlib.image.pkginfo import write_pkginfo
from sysextlib.image.verify import verify_ddi
from sysextlib.install.keep import keep_new, only_usr
from sysextlib.install.native import install
from sysextlib.payload.verify import check_written
from sysextlib.payload.writer import write_payload
from sysextlib.report.receipt import Build, Receipt
from sysextlib.report.write import write_reports
from sysextlib.resolve.resolver import resolve
from sysextlib.resolve.use_request import UseRequest, UseRule
from sysextlib.stamp import release_entry, stamp
from sysextlib.system.publish import staging
from sysextlib.tree import length_prefixed
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sysextlib.definition import SysextDef
    from sysextlib.edit.changes import Change
    from sysextlib.findings import Finding
    from sysextlib.gentoo.package import Package
    from sysextlib.image.ddi import DdiFacts
    from sysextlib.order import Inputs, Keys, Order
    from sysextlib.payload.writer import PayloadFacts
    from sysextlib.progress import Progress
    from sysextlib.resolve.plan import MergePlan
    from sysextlib.system.publish import Staging
    from sysextlib.tree import Tree


def plan_merge(order: Order, inputs: Inputs) -> MergePlan:
    """Decide which packages to merge, on top of the base and of the extensions below.

    :raises ResolveError: it cannot be done.
    """
    available = tuple(indexed.package for indexed in inputs.binhosts.packages)
    installed = list(inputs.base.installed)
    for below in order.after:
        if not _is_installed(below, installed):
            use = _use_request(below, inputs)
            installed += resolve(below.packages, available, installed, use=use).packages
    use = _use_request(order.definition, inputs)
    return resolve(order.definition.packages, available, installed, use=use)


def build(order: Order, inputs: Inputs, keys: Keys, progress: Progress) -> Receipt:
    """Build, verify and publish one extension.

    :raises SysextError: any; the output folder is then as it was.
    """
    names = OutputNames(order.name)
    base = inputs.base
    with staging(order.output, order.name) as stage:
        with progress.step("Resolve packages"):
            plan = plan_merge(order, inputs)

        with progress.step(f"Fetch {_count(plan)}"):
            files = _fetch(plan, inputs, progress)

        with progress.step(f"Merge {_count(plan)}"):
            packages = [open_binpkg(path) for path in files]
            installed = install(
                packages,
                base,
                install_mask=inputs.board.install_mask,
                spool=_folder(stage, "spool"),
                progress=progress,
                jobs=inputs.jobs,
                counter=base.counter,
                record=order.pkginfo,
            )

        with progress.step("Edit"):
            edited, changes = _edit(installed.tree, order, inputs, stage)

        with progress.step("Keep what is new, stamp and check it"):
            release = stamp(order, inputs.board.arch, base, packages)
            kept = keep_new(
                edited.updated([release_entry(release, base.epoch)]),
                base,
                order.definition.may_replace,
            )
            usr = only_usr(kept.tree)
            tree = usr.tree.clamped(base.epoch)
            findings = _judge(
                order.definition,
                (
                    *installed.findings,
                    *kept.findings,
                    *check_privileges(tree, order.definition.privileged),
                ),
            )

        with progress.step(f"Write image of {len(tree)} entries"):
            image = write_ddi(
                tree,
                stage.outputs / names.image,
                arch=inputs.board.arch,
                seed=_seed(order, inputs, tree),
                epoch=base.epoch,
                key=keys.image,
                tools=inputs.tools,
                compression=order.compression,
                mkerofs_opts=order.mkerofs_opts,
                jobs=inputs.jobs,
                scratch=_folder(stage, "mkfs"),
            )
            if order.pkginfo:
                pkginfo = stage.outputs / names.pkginfo
                write_pkginfo(
                    installed.vdb, pkginfo, epoch=base.epoch, tools=inputs.tools, jobs=inputs.jobs
                )

        with progress.step("Write payload, verify everything"):
            payload = _payload_and_verify(image, tree, inputs, keys, stage, progress)

        done = Build(
            order=order,
            inputs=inputs,
            plan=plan,
            files=files,
            release=release,
            tree=tree,
            changes=changes,
            dropped=(*kept.dropped, *usr.dropped),
            masked=installed.masked,
            findings=findings,
            image=image,
            payload=payload,
        )
        with progress.step("Write reports, publish"):
            write_reports(done, names, stage.outputs)
            published = stage.publish(stale=names.all)
    return Receipt.of(done, published)


def _is_installed(definition: SysextDef, installed: Sequence[Package]) -> bool:
    return all(any(atom.matches(package) for package in installed) for atom in definition.packages)


def _use_request(definition: SysextDef, inputs: Inputs) -> UseRequest:
    """Put together which flags packages must have, the later rule the stronger."""
    rules = (
        *(UseRule.parse(line.flags, line.atom) for line in inputs.board.package_use),
        *(UseRule.parse(flags, atom) for atom, flags in definition.package_use.items()),
        UseRule.parse(definition.use),
        *inputs.use,
    )
    return UseRequest(rules=rules)


def _fetch(plan: MergePlan, inputs: Inputs, progress: Progress) -> tuple[Path, ...]:
    """Bring the plan's packages here, several at once; return their files in merge order."""
    binhosts = inputs.binhosts
    files = []
    with ThreadPoolExecutor(max(1, inputs.jobs), "fetch") as pool:
        waiting = [pool.submit(binhosts.fetch, binhosts.find(step.package)) for step in plan]
        try:
            for number, future in enumerate(waiting, 1):
                files.append(future.result())
                progress.advance(number, len(plan))
        finally:
            pool.shutdown(cancel_futures=True)
    return tuple(files)


def _edit(
    tree: Tree, order: Order, inputs: Inputs, stage: Staging
) -> tuple[Tree, tuple[Change, ...]]:
    """Apply the definition's edits, then what flags ask for."""
    board = inputs.board
    context = EditContext(kernel_suffix=board.kernel_suffix, epoch=inputs.base.epoch)
    edited = apply_edits(tree, order.definition, context)
    tree, changes = edited.tree, edited.log
    if order.strip:
        program = strip_argv(board.chost, board.arch, inputs.tools)
        stripped = strip_binaries(tree, program, _folder(stage, "strip"), jobs=inputs.jobs)
        tree, changes = stripped.tree, (*changes, *stripped.log)
    if order.mangle is not None:
        scratch = _folder(stage, "mangle")
        mangled = run_mangle(order.mangle, tree, inputs.tools, scratch, epoch=inputs.base.epoch)
        tree, changes = mangled.tree, (*changes, *mangled.changes)
    return tree, changes


def _judge(definition: SysextDef, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Acknowledge what the definition knows of; stop at errors that it does not.

    :raises FindingsError: naming every one of them.
    """
    judged = acknowledge(findings, definition.acknowledge)
    errors = [finding for finding in judged if finding.severity is Severity.ERROR]
    if errors:
        raise FindingsError(
            f"{definition.name} would not work as it is",
            {finding.key: finding.message for finding in errors},
            hint="correct the definition, or acknowledge each with its reason under [acknowledge]",
        )
    return judged


def _payload_and_verify(
    image: DdiFacts,
    tree: Tree,
    inputs: Inputs,
    keys: Keys,
    stage: Staging,
    progress: Progress,
) -> PayloadFacts:
    """Write the update payload while the image is read back by another path."""
    with ThreadPoolExecutor(1, "verify") as pool:
        verified = pool.submit(
            verify_ddi,
            image.path,
            inputs.tools,
            certificate=keys.image.certificate,
            tree=tree,
            jobs=inputs.jobs,
            scratch=_folder(stage, "verify"),
        )
        out = stage.outputs / OutputNames(stage.name).payload
        payload = write_payload(image.path, out, keys.payload, jobs=inputs.jobs, progress=progress)
        check_written(out, keys.payload[-1].public, image.sha256)
        verified.result()
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


def _count(plan: MergePlan) -> str:
    return f"{len(plan)} package{'s' if len(plan) != 1 else ''}"


def _folder(stage: Staging, name: str) -> Path:
    folder = stage.scratch / name
    folder.mkdir(exist_ok=True)
    return folder

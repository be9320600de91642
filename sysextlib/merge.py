"""From an order to the Tree of its packages: by our own installer, or by emerge in the SDK."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.vdb import vdb_entries
from sysextlib.errors import PackageError, ResolveError, SysextError
from sysextlib.install.emerge import EmergeCall
from sysextlib.install.native import install
from sysextlib.install.sdk import install_by_emerge
from sysextlib.resolve.reasons import plan_of
from sysextlib.resolve.resolver import resolve
from sysextlib.resolve.use_request import UseRequest, UseRule
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sysextlib.binpkg.model import BinaryPackage
    from sysextlib.definition import SysextDef
    from sysextlib.gentoo.atom import Atom
    from sysextlib.gentoo.package import Package
    from sysextlib.install.emerge import Sdk
    from sysextlib.install.native import Installed
    from sysextlib.order import Inputs, Order
    from sysextlib.progress import Progress
    from sysextlib.resolve.plan import MergePlan
    from sysextlib.system.publish import Staging


@dataclass(frozen=True, slots=True)
class Merged:
    """What was merged, and with which packages, each in merge order.

    :param files: the packages' files on this machine.
    """

    plan: MergePlan
    files: tuple[Path, ...]
    packages: tuple[BinaryPackage, ...]
    installed: Installed


def plan_merge(order: Order, inputs: Inputs) -> MergePlan:
    """Decide which packages to merge, on top of the base and of the extensions below.

    :raises ResolveError: it cannot be done.
    """
    available = tuple(indexed.package for indexed in inputs.binhosts.packages)
    installed = [*inputs.base.installed, *_below(order, inputs)]
    return _resolve(order.definition, available, installed, inputs)


def merge(
    order: Order, inputs: Inputs, stage: Staging, progress: Progress, plan: MergePlan | None
) -> Merged:
    """Merge the packages of an order by the installer that ``inputs`` names.

    :param plan: what ``plan_merge`` said; emerge in the SDK makes its own.
    :raises SysextError: it cannot be done.
    """
    if inputs.sdk is None:
        return _merge_here(order, inputs, stage, progress, plan or plan_merge(order, inputs))
    return _merge_by_emerge(order, inputs, inputs.sdk, stage, progress)


def _merge_here(
    order: Order, inputs: Inputs, stage: Staging, progress: Progress, plan: MergePlan
) -> Merged:
    with progress.step(f"Fetch {_count(plan)}"):
        files = _fetch(plan.packages, inputs, progress)

    with progress.step(f"Merge {_count(plan)}"):
        open_package = inputs.shared.open if inputs.shared else open_binpkg
        packages = tuple(open_package(path) for path in files)
        installed = install(
            packages,
            inputs.base,
            install_mask=inputs.board.install_mask,
            spool=stage.folder("spool"),
            progress=progress,
            jobs=inputs.jobs,
            counter=inputs.base.counter,
            record=order.pkginfo,
        )
    return Merged(plan, files, packages, installed)


def _merge_by_emerge(
    order: Order, inputs: Inputs, sdk: Sdk, stage: Staging, progress: Progress
) -> Merged:
    call = emerge_call(order, inputs, sdk, sdk.scratch or str(stage.folder("sdk")))
    log = stage.scratch / "emerge.log"
    kept = OutputNames(order.name).emerge_log
    with progress.step("Merge with emerge in the SDK"):
        try:
            installed = install_by_emerge(
                call, sdk.runner, inputs.base, spool=stage.folder("spool"), log=log,
                progress=progress,
            )  # fmt: skip
        except SysextError as error:
            shutil.copyfile(log, stage.output / kept)
            raise _told(error, order, inputs, stage.output / kept) from error
        if sdk.keep_log:
            shutil.copyfile(log, stage.outputs / kept)
        files = _fetch(installed.packages, inputs, progress)
        packages = tuple(open_binpkg(path) for path in files)
    plan = plan_of(installed.packages, order.definition.packages)
    return Merged(plan, files, packages, installed)


def emerge_call(order: Order, inputs: Inputs, sdk: Sdk, scratch: str) -> EmergeCall:
    """Put together what emerge is told: the order's own, over what is in the SDK."""
    definition = order.definition
    flags = [*definition.use, *(flag for rule in inputs.use for flag in rule.flags)]
    lines = [
        *(f"{line.atom} {' '.join(line.flags)}" for line in inputs.board.package_use),
        *(f"{atom} {' '.join(flags)}" for atom, flags in definition.package_use.items()),
    ]
    below = {}
    for binary in map(open_binpkg, _fetch(_below(order, inputs), inputs, None)):
        for entry in vdb_entries(binary.package, binary.metadata, (), inputs.base.counter):
            if entry.content is not None:
                below[entry.path] = entry.content.read()
    return EmergeCall(
        board=inputs.board.name,
        atoms=tuple(map(str, definition.packages)),
        root_name=order.root_name or definition.install_root,
        use=" ".join(flags),
        package_use=tuple(lines),
        base=sdk.base,
        base_digest=inputs.base.digest,
        bases=sdk.bases,
        pkginfo=sdk.pkginfo,
        below=below,
        packages=sdk.packages,
        remote=sdk.remote,
        scratch=scratch,
        jobs=inputs.jobs,
    )


def _told(error: SysextError, order: Order, inputs: Inputs, log: Path) -> SysextError:
    """Return an error of emerge's as both installers tell it, with the place of the whole log.

    What emerge says of a plan that it did not find is long and speaks of remedies that do not
    exist here; our own resolver knows the same and says it shortly.
    """
    if isinstance(error, ResolveError):
        try:
            plan_merge(order, inputs)
        except ResolveError as ours:
            said = {name: text for name, text in error.facts.items() if name == "emerge says"}
            error = ResolveError(ours.brief, {**ours.facts, **said}, ours.hint)
    error.facts["whole log"] = str(log)
    return error


def _below(order: Order, inputs: Inputs) -> tuple[Package, ...]:
    """Return what the extensions below an order merge, when it is not installed already."""
    available = tuple(indexed.package for indexed in inputs.binhosts.packages)
    installed = list(inputs.base.installed)
    found: list[Package] = []
    for below in order.after:
        if not _is_installed(below, installed):
            packages = _resolve(below, available, installed, inputs).packages
            installed += packages
            found += packages
    return tuple(found)


def _is_installed(definition: SysextDef, installed: Sequence[Package]) -> bool:
    return all(any(atom.matches(package) for package in installed) for atom in definition.packages)


def missing(order: Order, inputs: Inputs) -> tuple[Atom, ...]:
    """Return the atoms that no package satisfies with the flags that are asked for."""
    use = _use_request(order.definition, inputs)
    built = [one.package for one in inputs.binhosts.packages if not use.unmet(one.package)]
    wanted = order.definition.packages
    return tuple(atom for atom in wanted if not any(atom.matches(one) for one in built))


def _resolve(
    definition: SysextDef,
    available: Sequence[Package],
    installed: Sequence[Package],
    inputs: Inputs,
) -> MergePlan:
    profile = inputs.profile
    return resolve(
        definition.packages,
        available,
        installed,
        use=_use_request(definition, inputs),
        provided=(*inputs.board.provided, *(profile.provided if profile else ())),
    )


def _use_request(definition: SysextDef, inputs: Inputs) -> UseRequest:
    """Put together which flags packages must have, the later rule the stronger."""
    rules = (
        *(UseRule.parse(line.flags, line.atom) for line in inputs.board.package_use),
        *(UseRule.parse(flags, atom) for atom, flags in definition.package_use.items()),
        UseRule.parse(definition.use),
        *inputs.use,
    )
    return UseRequest(rules=rules, profile=inputs.profile)


def _fetch(
    packages: Sequence[Package], inputs: Inputs, progress: Progress | None
) -> tuple[Path, ...]:
    """Bring packages here, several at once; return their files in the same order.

    :raises PackageError: no binhost of ours has one of them.
    """
    binhosts = inputs.binhosts
    files = []
    with ThreadPoolExecutor(max(1, inputs.jobs), "fetch") as pool:
        try:
            items = [binhosts.find(package) for package in packages]
        except KeyError as error:
            raise PackageError(
                "emerge merged a package that no binhost lists",
                {"binhosts": binhosts.location, "package": error},
            ) from error
        waiting = [pool.submit(binhosts.fetch, item) for item in items]
        try:
            for number, future in enumerate(waiting, 1):
                files.append(future.result())
                if progress is not None:
                    progress.advance(number, len(packages))
        finally:
            pool.shutdown(cancel_futures=True)
    return tuple(files)


def _count(plan: MergePlan) -> str:
    return f"{len(plan)} package{'s' if len(plan) != 1 else ''}"

"""--build_missing: packages that no binhost has are made from source in the SDK."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.binpkg.binhost import Binhosts, open_binhost
from sysextlib.binpkg.container import open_binpkg
from sysextlib.errors import PackageError, UsageError
from sysextlib.install.emerge import run_emerge
from sysextlib.merge import emerge_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.gentoo.package import Package
    from sysextlib.install.emerge import Sdk
    from sysextlib.order import Inputs, Order
    from sysextlib.progress import Progress

# The end of a signed kernel module (scripts/sign-file.c of the kernel).
SIGNED = b"~Module signature appended~\n"


def build_missing(
    orders: Sequence[Order], inputs: Inputs, cache: Path, progress: Progress
) -> Inputs:
    """Build what no package of the binhosts satisfies, and return inputs whose binhosts have it.

    :raises UsageError: no SDK takes part, or no binhost is a folder.
    :raises SysextError: emerge failed.
    """
    if inputs.sdk is None:
        raise UsageError(
            "--build_missing needs the SDK, and packages are merged natively",
            hint="add --installer=sdk",
        )
    if not inputs.sdk.packages:
        raise UsageError("--build_missing needs a binhost that is a folder", hint="see --binhost")
    before = {indexed.package for indexed in inputs.binhosts.packages}
    for order in orders:
        missing = [
            str(atom)
            for atom in order.definition.packages
            if not any(atom.matches(package) for package in before)
        ]
        if missing:
            with progress.step(f"Build {' '.join(missing)} from source"):
                _build(order, inputs, inputs.sdk, missing, progress)
    binhosts = Binhosts(
        tuple(open_binhost(one.location, cache, progress) for one in inputs.binhosts.binhosts)
    )
    if inputs.sdk.signing:
        new = [item.package for item in binhosts.packages if item.package not in before]
        _require_signed(new, binhosts)
    return replace(inputs, binhosts=binhosts)


def _build(
    order: Order, inputs: Inputs, sdk: Sdk, atoms: Sequence[str], progress: Progress
) -> None:
    with tempfile.TemporaryDirectory(prefix="build-missing-") as scratch:
        call = replace(
            emerge_call(order, inputs, sdk, sdk.scratch or scratch),
            build=True,
            atoms=tuple(atoms),
            signing=sdk.signing,
        )
        log = Path(scratch) / "log"
        run_emerge(call, sdk.runner, out=lambda _: None, log=log, progress=progress)


def _require_signed(packages: Sequence[Package], binhosts: Binhosts) -> None:
    """Refuse kernel modules that were built without a signature though a key was given.

    :raises PackageError: there is one.
    """
    for package in packages:
        with tempfile.TemporaryDirectory(prefix="build-missing-") as spool:
            binary = open_binpkg(binhosts.fetch(binhosts.find(package)))
            for entry in binary.unpack(Path(spool)).entries:
                if entry.path.endswith(".ko") and entry.content is not None:
                    last = b""
                    for chunk in entry.content.chunks():
                        last = (last + chunk)[-len(SIGNED) :]
                    if last != SIGNED:
                        raise PackageError(
                            f"{package} was built with a kernel module that is not signed",
                            {"module": f"/{entry.path}"},
                            hint="MODULES_SIGN_KEY was given; has the package USE=modules-sign?",
                        )

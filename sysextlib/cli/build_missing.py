"""--build_missing: packages that no binhost has are made from source in the SDK."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.binpkg.binhost import Binhosts, open_binhost
from sysextlib.errors import SysextError, UsageError
from sysextlib.image.keys import load_certificate, load_pair
from sysextlib.install.emerge import run_emerge
from sysextlib.merge import emerge_call, missing
from sysextlib.workspace import OutputNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sysextlib.cli.call import Call
    from sysextlib.install.emerge import Sdk
    from sysextlib.order import Inputs, Order
    from sysextlib.progress import Progress

SIGN_KEY, SIGN_CERT = "MODULES_SIGN_KEY", "MODULES_SIGN_CERT"  # as the SDK calls them


def module_signing() -> dict[str, bytes]:
    """Return the files with which ebuilds sign kernel modules; none when none are named.

    Modules must then have this signature: see ``module_key``.

    :raises UsageError: only one of them is named. :raises SigningKeyError: they are no pair.
    """
    given = {name: os.environ[name] for name in (SIGN_KEY, SIGN_CERT) if os.environ.get(name)}
    if not given:
        return {}
    if len(given) == 1:
        raise UsageError(
            f"{' '.join(given)} is set alone",
            hint=f"kernel modules are signed with {SIGN_KEY} and {SIGN_CERT}: set both or neither",
        )
    load_pair(Path(given[SIGN_KEY]), Path(given[SIGN_CERT]))
    return {name: Path(path).read_bytes() for name, path in given.items()}


def module_key(call: Call) -> Path | None:
    """Return the certificate of the key that must have signed kernel modules, None for no demand.

    It is --module_key; else the one with which this call's environment has them signed.

    :raises UsageError: they are two different ones.
    :raises SigningKeyError: it is no certificate.
    """
    given, signs = call.text("module_key"), os.environ.get(SIGN_CERT)
    if not given and not signs:
        return None
    path = Path(given or signs or "")
    certificate = load_certificate(path)
    if (
        given
        and signs
        and call.on("build_missing")
        and load_certificate(Path(signs)) != certificate
    ):
        raise UsageError(
            "kernel modules would be signed by another key than they must be",
            {"--module_key": given, SIGN_CERT: signs},
            hint="leave one of them out",
        )
    return path.absolute()


def build_missing(
    orders: Sequence[Order],
    inputs: Inputs,
    signing: Mapping[str, bytes],
    cache: Path,
    progress: Progress,
) -> Inputs:
    """Build what no package of the binhosts satisfies, and return inputs whose binhosts have it.

    :param signing: what ``module_signing`` gave.
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
    for order in orders:
        atoms = [str(atom) for atom in missing(order, inputs)]
        if atoms:
            with progress.step(f"Build {' '.join(atoms)} from source"):
                _build(order, inputs, inputs.sdk, atoms, signing, progress)
    binhosts = tuple(
        open_binhost(one.location, cache, progress) for one in inputs.binhosts.binhosts
    )
    return replace(inputs, binhosts=Binhosts(binhosts))


def _build(
    order: Order,
    inputs: Inputs,
    sdk: Sdk,
    atoms: Sequence[str],
    signing: Mapping[str, bytes],
    progress: Progress,
) -> None:
    with tempfile.TemporaryDirectory(prefix="build-missing-") as scratch:
        call = replace(
            emerge_call(order, inputs, sdk, sdk.scratch or scratch),
            build=True,
            atoms=tuple(atoms),
            signing=signing,
        )
        log = Path(scratch) / "log"
        try:
            run_emerge(call, sdk.runner, out=lambda _: None, log=log, progress=progress)
        except SysextError as error:
            kept = order.output / OutputNames(order.name).emerge_log
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
            error.facts["whole log"] = str(kept)
            raise

"""What a machine's OEM partition holds for an extension of its cloud or hypervisor.

Names and formats are those of vm_image_util.sh of flatcar/scripts; update_engine's postinst, the
initrd and provisioning tools read them.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from sysextlib.errors import OutputError, UsageError, VerifyError, VersionMismatchError, nearest
from sysextlib.image.inspect import inspect_image
from sysextlib.image.release import ImageClass
from sysextlib.image.verify import check_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sysextlib.base import Base
    from sysextlib.board import Board
    from sysextlib.definition import SysextDef
    from sysextlib.system.tools import Tools

PREFIX = "oem-"
RELEASE_PREFIX = "SYSEXT_"


def oem_definition(oem: str, fitting: Iterable[SysextDef], board: Board) -> SysextDef:
    """Return the definition of an OEM id, such as "azure" or "oem-azure".

    :raises UsageError: the board has none of that id; the nearest are named.
    """
    known = {one.name.removeprefix(PREFIX): one for one in fitting if one.kind == "oem"}
    wanted = oem.removeprefix(PREFIX)
    if wanted not in known:
        hint = nearest(wanted, known) or "known: " + (", ".join(sorted(known)) or "(none)")
        raise UsageError(f"board {board.name} has no OEM id {wanted!r}", hint=hint)
    return known[wanted]


def oem_release(release: Mapping[str, str]) -> str:
    """Return the text of oem-release: the SYSEXT_ fields of a stamp, unquoted as upstream's.

    ID is without "oem-" at its beginning; the order is the stamp's.
    """
    lines = []
    for key, value in release.items():
        if not key.startswith(RELEASE_PREFIX):
            continue
        name = key.removeprefix(RELEASE_PREFIX)
        value = value.removeprefix(PREFIX) if name == "ID" else value
        lines.append(f"{name}={' '.join(value.split())}\n")
    return "".join(lines)


def fill_oem_partition(
    folder: Path,
    image: Path,
    definition: SysextDef,
    *,
    base: Base,
    board: Board,
    grub_cfg: Path | None,
    tools: Tools,
) -> tuple[Path, ...]:
    """Write what belongs onto the partition into ``folder``; return the paths.

    :param base: the OS that the partition is for.
    :param grub_cfg: copied as it is; None leaves the partition without one.
    :raises VersionMismatchError: the extension is for another OS, version or architecture.
    :raises VerifyError: the image is damaged, or of another extension.
    :raises OutputError: the folder cannot be written.
    """
    release = _checked(image, definition, base, board, tools)
    version = base.version or base.version_id
    stored = folder / "sysext" / f"{definition.name}-{version}.raw"
    active = folder / "sysext" / f"active-{definition.name}"
    try:
        stored.parent.mkdir(parents=True, exist_ok=True)
        part = stored.with_name(f".{stored.name}.new")
        shutil.copyfile(image, part)
        part.chmod(0o644)
        status = image.stat()
        os.utime(part, ns=(status.st_mtime_ns, status.st_mtime_ns))
        part.replace(stored)
        _write(folder / "oem-release", oem_release(release).encode())
        written = [stored, active, folder / "oem-release"]
        if grub_cfg is not None:
            _write(folder / "grub.cfg", grub_cfg.read_bytes())
            written.append(folder / "grub.cfg")
        _write(active, b"")  # last: it is what makes the extension count
    except OSError as error:
        raise OutputError(
            f"the OEM partition cannot be written at {folder}", {"reason": error.strerror}
        ) from error
    return tuple(written)


def _checked(
    image: Path, definition: SysextDef, base: Base, board: Board, tools: Tools
) -> Mapping[str, str]:
    """Return the stamp of an image that is this extension's and fits the OS."""
    if not image.is_file():
        raise UsageError(
            f"{definition.name} is not built",
            {"looked for": image},
            hint=f"./build_sysext.py --board={board.name} {definition.key}",
        )
    found = inspect_image(image, tools)
    if found.kind is not ImageClass.SYSEXT or found.name != definition.name:
        raise VerifyError(f"{image} is not {definition.name}", {"extension-release": found.name})
    check_bytes(found.ddi)
    release = found.release
    wanted = {
        "ID": base.id,
        "VERSION_ID": base.version_id,
        "ARCHITECTURE": board.arch.systemd_name,
    }
    wrong = {key: value for key, value in wanted.items() if release.get(key) != value}
    if wrong:
        seen = {f"{key} of the OS": value for key, value in wrong.items()}
        seen |= {f"{key} of the extension": release.get(key, "(none)") for key in wrong}
        raise VersionMismatchError(
            f"{definition.name} was built for another OS image",
            {"extension": image, "OS image": base.image, **seen},
            hint="build it again on this one",
        )
    return release


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.new")
    part.write_bytes(data)
    part.chmod(0o644)
    part.replace(path)

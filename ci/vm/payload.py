"""The disk that carries images into a machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPARE = 64 << 20  # bytes; the file system's own tables


def write_payload_disk(out: Path, files: Mapping[str, Path | bytes]) -> None:
    """Write a file system that holds ``files``; needs no root, and all belongs to root in it."""
    total = SPARE
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        for name, source in files.items():
            target = Path(work, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                target.write_bytes(source)
            else:
                _link(source.resolve(), target)
            total += target.stat().st_size + 4096
        argv = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0"]
        run([*argv, "-d", work, out, f"{total * 21 // 20 // 1024}k"])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def boot_script(names: Sequence[str], more: str = "") -> str:
    """Return a script that shows images of the disk to systemd-sysext and systemd-confext."""
    lines = ["mkdir -p /run/extensions /run/confexts"]
    for name in names:
        kind = "confexts" if name.endswith(".confext.raw") else "extensions"
        lines.append(f"ln -s /mnt/payload/{name} /run/{kind}/")
    return "\n".join([*lines, more, ""])

"""The disk that carries images and their certificate into a machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.image.keys import CERTIFICATE_NAME, make_signing_key
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEYS = Path(__file__).resolve().parent.parent.parent / "__build__/keys/sysext"
SPARE = 64 << 20  # bytes; the file system's own tables


def write_payload_disk(out: Path, files: Mapping[str, Path | bytes], certificate: Path) -> None:
    """Write a file system that holds ``files``; needs no root, and all belongs to root in it.

    The machine copies the certificate to its base's usr/lib/verity.d before extensions are merged.
    """
    files = {**files, CERTIFICATE_NAME: certificate}
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


def checkout_certificate() -> Path:
    """Return the certificate of the key that this checkout signs with; make both when absent."""
    make_signing_key(KEYS, "Extension key of a checkout")
    return KEYS / CERTIFICATE_NAME


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

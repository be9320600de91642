"""A Debian 13 root that is only unpacked: it compiles what the board compiles, by chroot."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from sysextlib.errors import PackageError
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
LEFT_OUT = ("doc", "info", "lintian", "locale", "man")
FILTERS = {"data.tar.xz": "--xz", "data.tar.zst": "--zstd", "data.tar.gz": "--gzip"}


def make_buildroot(folder: Path, names: Iterable[str], debs: Path) -> None:
    """Unpack Debian packages, which lie in ``debs`` as NAME.deb, into ``folder``."""
    for path in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "etc", "proc", "tmp"):
        (folder / path).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (folder / name).symlink_to(f"usr/{name}")
    for name in names:
        unpack(debs / f"{name}.deb", folder)
    for name, target in {"sh": "dash", "awk": "mawk", "gcc": "gcc-14", "cpp": "cpp-14"}.items():
        if not (folder / "usr/bin" / name).is_symlink():
            (folder / "usr/bin" / name).symlink_to(target)
    for name, numbers in DEVICES.items():
        os.mknod(folder / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(*numbers))
        (folder / "dev" / name).chmod(0o666)
    (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n", encoding="utf-8")


def unpack(deb: Path, folder: Path) -> None:
    """Unpack the files of one Debian package.

    :raises PackageError: it is no Debian package.
    """
    name, data = _data_member(deb)
    exclude = [f"--exclude=./usr/share/{name}" for name in LEFT_OUT]
    options = ["--keep-directory-symlink", "--numeric-owner", FILTERS[name]]
    run(["tar", "-x", *options, *exclude, "-C", folder, "-f", "-"], feed=data)


def _data_member(deb: Path) -> tuple[str, bytes]:
    """Return the name and the bytes of the member data.tar.* of an ar archive (deb(5))."""
    with deb.open("rb") as stream:
        magic = stream.read(8)
        while magic == b"!<arch>\n" and (header := stream.read(60)):
            name, size = header[:16].decode().strip(" /"), int(header[48:58])
            if name in FILTERS:
                return name, stream.read(size)
            stream.seek(size + size % 2, os.SEEK_CUR)
    raise PackageError(f"{deb.name} holds none of {', '.join(FILTERS)}", {"file": deb})

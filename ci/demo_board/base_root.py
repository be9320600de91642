"""What turns merged packages into a base image: the release's files, indexes, and the squashfs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from sysextlib.errors import BaseError
from sysextlib.system.run import run

if TYPE_CHECKING:
    from pathlib import Path

    from ci.demo_board.recipe import Recipe

IMAGE = "flatcar_production_image_sysext.squashfs"
VERSION_FILE = "version.txt"
LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/lib64": "lib/x86_64-linux-gnu",
}
# Portage's notes that speak of the host or of the time, and what only the build needed.
LEFT_OVERS = (
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/machine-id",
    "etc/passwd-",
    "etc/shadow-",
    "var/cache/edb",
    "var/cache/ldconfig",
    "var/lib/portage/config",
    "var/log/portage",
    "var/tmp/portage",
)


def finish_root(root: Path, recipe: Recipe, config: Path) -> None:
    """Complete a root that holds all packages of the base.

    :raises BaseError: a link of the merged usr has become something else.
    """
    for name, target in LINKS.items():
        link = root / name
        if not link.is_symlink() or str(link.readlink()) != target:
            raise BaseError(f"/{name} of the demo root is no link to {target}", {"root": root})
    (root / "usr/lib/os-release").write_text(os_release(recipe), encoding="utf-8")
    shutil.copytree(config / "etc/portage", root / "etc/portage", symlinks=False)
    for words in (
        ["ldconfig"],
        ["systemd-sysusers"],
        ["systemctl", "preset-all"],
        ["systemd-hwdb", "--usr", "update"],
    ):
        variables = {"SYSTEMD_OFFLINE": "1", "SOURCE_DATE_EPOCH": str(recipe.epoch)}
        run(["chroot", root, *words], env=variables, name=words[0])
    for name in LEFT_OVERS:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    _clamp(root, recipe.epoch)


def os_release(recipe: Recipe) -> str:
    """Return the text of usr/lib/os-release: upstream's keys (set_lsb_release), our values."""
    name = "Sysext Demo"
    lines = {
        "NAME": f'"{name}"',
        "ID": recipe.os_id,
        "VERSION": recipe.version,
        "VERSION_ID": recipe.version_id,
        "BUILD_ID": recipe.build_id,
        "SYSEXT_LEVEL": "1.0",
        "PRETTY_NAME": f'"{name} {recipe.version}"',
        "HOME_URL": '"https://www.flatcar.org/"',
        "FLATCAR_BOARD": '"demo-amd64"',
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def version_file(recipe: Recipe) -> str:
    """Return the text of version.txt, with upstream's fields."""
    return (
        f"FLATCAR_VERSION={recipe.version}\n"
        f"FLATCAR_VERSION_ID={recipe.version_id}\n"
        f'FLATCAR_BUILD_ID="{recipe.build_id}"\n'
        f"FLATCAR_SDK_VERSION={recipe.version_id}\n"
    )


def pack_root(root: Path, image: Path, epoch: int, jobs: int) -> None:
    """Write the squashfs as upstream does (gzip), with nothing in it that tells the time."""
    run(
        ["mksquashfs", root, image, "-noappend", "-no-progress", "-comp", "gzip", "-reproducible",
         "-mkfs-time", str(epoch), "-processors", str(jobs), "-xattrs"]
    )  # fmt: skip


def _clamp(root: Path, epoch: int) -> None:
    """Let nothing below ``root`` be younger than ``epoch``."""
    for folder, folders, files in os.walk(root, topdown=False):
        for name in [*files, *folders]:
            path = os.path.join(folder, name)  # noqa: PTH118 - 20,000 of them
            if os.lstat(path).st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)
    os.utime(root, (epoch, epoch))

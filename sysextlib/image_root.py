"""The root of an OS image that is being put together: packed as a base, and given extensions."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.binpkg.vdb import VDB
from sysextlib.errors import BaseError, OutputError, UsageError
from sysextlib.image.ddi import read_ddi
from sysextlib.squashfs.reader import Squashfs
from sysextlib.system.run import run
from sysextlib.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sysextlib.system.tools import Tools

STORE = "usr/share/flatcar/sysext"  # where upstream's images hold their own extensions
LINKS = "etc/extensions"  # where systemd-sysext looks for them, sysext(8)


def pack_root(root: Path, out: Path, tools: Tools) -> None:
    """Write the root as a squashfs, without the extensions that it may have been given before.

    :raises BaseError: it is no root of an OS image.
    :raises ToolError: mksquashfs is absent, too old or failed.
    """
    release = root / "usr/lib/os-release"
    if not release.is_file() or release.is_symlink():
        raise BaseError(
            f"{root} is not the root of an OS image", {"looked for": "usr/lib/os-release"}
        )
    if not (root / VDB).is_dir():
        raise BaseError(
            f"the root {root} has no package database",
            {"looked for": VDB},
            hint="extensions are built before the image loses it",
        )
    out.unlink(missing_ok=True)
    epoch = str(int(release.stat().st_mtime))
    flags = ["-noappend", "-quiet", "-no-progress", "-mkfs-time", epoch]
    flags += ["-xattrs-exclude", r"^btrfs\.", "-comp", "zstd", "-Xcompression-level", "1"]
    run([*tools.argv("mksquashfs"), root, out, *flags, "-e", STORE, LINKS], name="mksquashfs")


def require_writable(root: Path) -> None:
    """Refuse a root that extensions cannot be put into, before any is built.

    :raises OutputError: the root cannot be written, or leads out of itself.
    """
    for folder in (root / STORE, root / LINKS):
        _require_inside(root, folder)
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(
                f"extensions cannot be put into {root}",
                {"not writable": there},
                hint="the owner of the root, often root, must run this",
            )


def place_extension(root: Path, image: Path) -> Path:
    """Copy an extension into the root and link it where it is merged at boot; return its place.

    :raises OutputError: the root cannot be written, or leads out of itself.
    """
    stored, link = root / STORE / image.name, root / LINKS / image.name
    times = {folder: _times(folder) for folder in (root / "usr/share/flatcar", root / "etc")}
    for path in (stored, link):
        _require_inside(root, path.parent)
    try:
        for path in (stored, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        part = stored.with_name(f".{stored.name}.new")
        shutil.copyfile(image, part)
        part.chmod(0o644)
        part.replace(stored)
        new = link.with_name(f".{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(f"/{STORE}/{image.name}")
        new.replace(link)
    except OSError as error:
        raise OutputError(
            f"{image.name} cannot be put into the root", {"root": root, "reason": error.strerror}
        ) from error
    for folder, time in times.items():  # or the next base would differ by nothing but these
        if time is not None:
            os.utime(folder, ns=time)
    return stored


def merged_view(root: Path, images: Sequence[tuple[Path, Path]], out: Path, tools: Tools) -> None:
    """Lay out root, extensions and all package databases as one folder, for SBOM and licences.

    Files of the root are hard links where the file system allows it: read the view, write nothing.

    :param images: image and package database of each extension, the lowest first.
    :raises OutputError: ``out`` exists or cannot be written.
    """
    if out.exists():
        raise OutputError(f"{out} exists already", hint="remove it, or name another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    same_disk = out.parent.stat().st_dev == root.stat().st_dev
    run(["cp", "-a", "--link" if same_disk else "--reflink=auto", root, out])
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        for image, pkginfo in images:
            folder = Path(scratch) / image.stem
            offset = read_ddi(image).data.offset
            keep = [] if os.geteuid() == 0 else ["--no-preserve", "--no-xattrs"]
            argv = [*tools.argv("fsck.erofs"), f"--offset={offset}", f"--extract={folder}", *keep]
            run([*argv, image], name="fsck.erofs")
            _lay_over(folder, out)
            _add_database(pkginfo, out)


def _lay_over(folder: Path, out: Path) -> None:
    """Move what lies in a folder over what is in the view."""
    for path in sorted(folder.rglob("*")):
        goal = out / path.relative_to(folder)
        _require_inside(out, goal.parent)
        if path.is_dir() and not path.is_symlink():
            goal.mkdir(exist_ok=True)
        else:
            goal.unlink(missing_ok=True)  # it may be a hard link to the root's
            path.rename(goal)


def _add_database(pkginfo: Path, out: Path) -> None:
    with Squashfs(pkginfo, "pkginfo image") as squashfs:
        for entry in squashfs.walk(VDB):
            goal = out / entry.path
            _require_inside(out, goal.parent)
            if entry.kind is Kind.DIRECTORY:
                goal.mkdir(parents=True, exist_ok=True)
            elif entry.kind is Kind.FILE:
                goal.parent.mkdir(parents=True, exist_ok=True)
                goal.unlink(missing_ok=True)
                goal.write_bytes(squashfs.read(entry.path))


def _require_inside(root: Path, folder: Path) -> None:
    """Refuse a folder that is reached through a symlink, which may lead to the host's own."""
    for path in (folder, *folder.parents):
        if path == root:
            return
        if path.is_symlink():
            raise OutputError(
                f"{path} is a symlink", {"root": root}, hint="it must be a folder of the root"
            )
    raise UsageError(f"{folder} is not below {root}")


def _times(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_atime_ns, status.st_mtime_ns

"""NAME_pkginfo.raw: the package database of one extension, for those built on top of it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from sysextlib.image.tar_stream import write_tar
from sysextlib.system.run import run

if TYPE_CHECKING:
    from pathlib import Path

    from sysextlib.system.tools import Tools
    from sysextlib.tree import Tree


def write_pkginfo(vdb: Tree, out: Path, *, epoch: int, tools: Tools, jobs: int) -> None:
    """Write the entries of var/db/pkg as a squashfs with upstream's compression.

    :param vdb: entries below var/db/pkg.
    :param epoch: time of the file system and of everything in it that is younger.
    :raises ToolError: mksquashfs is absent, too old or failed.
    """

    def feed(stream: IO[bytes]) -> None:
        write_tar(vdb.clamped(epoch), stream.fileno(), epoch=epoch)

    run(
        [
            *tools.argv("mksquashfs"),
            "-",
            out,
            "-tar",
            "-quiet",
            "-no-progress",
            "-noappend",
            *("-mkfs-time", str(epoch)),
            # the tar's own root is not taken over; the caller's user and the time would be
            *("-root-time", str(epoch), "-root-uid", "0", "-root-gid", "0", "-root-mode", "0755"),
            *("-processors", str(max(1, jobs))),
            *("-comp", "zstd", "-Xcompression-level", "22", "-b", "512k"),
        ],
        feed=feed,
        name="mksquashfs",
    )

"""A Tree as an EROFS file system, by mkfs.erofs(1) fed with a tar stream."""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sysextlib.definition import Compression
from sysextlib.errors import OutputError, ToolError
from sysextlib.image.compression import mkfs_options
from sysextlib.image.fragments import disown_fragments
from sysextlib.image.tar_stream import write_tar
from sysextlib.system.run import run

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from sysextlib.system.tools import Tools
    from sysextlib.tree import Tree

BLOCK = 4096
PIPE_SIZE = 1 << 20  # bytes; the most that an ordinary user may ask of fcntl(2) F_SETPIPE_SZ


@dataclass(frozen=True, slots=True, kw_only=True)
class ErofsOptions:
    """How a file system is to be written.

    :param epoch: its build time, in seconds since 1970; entries keep their own times.
    :param mkerofs_opts: options that take the place of the tuned ones; "" for none.
    :param jobs: threads that compress; the bytes do not depend on it.
    """

    uuid: UUID
    epoch: int
    compression: Compression = Compression.LZ4HC
    mkerofs_opts: str = ""
    jobs: int = 2


def write_erofs(
    tree: Tree, out: Path, options: ErofsOptions, *, tools: Tools, scratch: Path
) -> None:
    """Write the tree as a file system.

    It gets a file of its own: with ``--offset``, mkfs.erofs 1.8.6 puts some blocks (long symlinks,
    the ends of files) where they would lie without.

    :param scratch: a folder for mkfs.erofs to buffer in, as large as the tree's contents.
    :raises MissingToolError: mkfs.erofs is absent or too old.
    :raises OutputError: there is no room on the disk.
    :raises ToolError: mkfs.erofs failed, say over ``mkerofs_opts``.
    """
    needed = sum(entry.content.size for entry in tree if entry.content is not None)
    _require_space(scratch, needed)

    def feed(stream: IO[bytes]) -> None:
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        write_tar(tree, stream.fileno(), epoch=options.epoch)

    try:
        run(
            [
                *tools.argv("mkfs.erofs"),
                "--quiet",
                f"-b{BLOCK}",  # the default is the host's page size
                f"-U{options.uuid}",
                f"--workers={max(1, options.jobs)}",
                *mkfs_options(options.compression, options.mkerofs_opts),
                "--tar=f",
                out,
            ],
            feed=feed,
            # Not -T with --mkfs-time: the inode that holds fragments would bear the clock's time.
            # Entries younger than the epoch would be clamped to it.
            env={"TMPDIR": str(scratch), "SOURCE_DATE_EPOCH": str(options.epoch)},
            name="mkfs.erofs",
        )
    except ToolError as error:
        # Its own words on a full disk are "invalid chksum" and the like, and as it ends, its
        # buffer is free again: so the room is measured, and what it said is shown.
        for folder in (scratch, out.parent):
            _require_space(folder, 2 * needed, error)
        if options.mkerofs_opts:
            hint = f"see whether --mkerofs_opts={options.mkerofs_opts!r} is to blame"
            raise ToolError(error.brief, error.facts, hint) from error
        raise
    with out.open("r+b") as image:
        disown_fragments(image)


def _require_space(folder: Path, needed: int, cause: ToolError | None = None) -> None:
    """Refuse to go on with less room than ``needed`` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        facts: dict[str, object] = {
            "folder": folder,
            "needed": f"{needed >> 20} MiB",
            "free": f"{free >> 20} MiB",
            **(cause.facts if cause else {}),
        }
        raise OutputError("there is too little room on the disk", facts, "make room") from cause

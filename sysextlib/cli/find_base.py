"""Which base image a call is about, and where packages of the same version are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.errors import BoardError, UsageError
from sysextlib.releases import ReleaseStore
from sysextlib.system.cache import cache_root
from sysextlib.version_file import read_version_file

if TYPE_CHECKING:
    from sysextlib.board import Board
    from sysextlib.cli.call import Call
    from sysextlib.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "__build__" / "images"


@dataclass(frozen=True, slots=True)
class FoundBase:
    """A base image and what follows from where it was found.

    :param binhosts: unless the call names others.
    :param output: the folder of outputs, unless the call names another.
    :param release: the version that was asked for by number; "" for a local image.
    """

    image: Path
    binhosts: tuple[str, ...]
    output: Path
    release: str = ""


def find_base(call: Call, board: Board, progress: Progress) -> FoundBase:
    """Return the named base image, the board's local one, or a release's, downloaded if need be.

    :raises SysextError: there is none, or the release cannot be had or trusted.
    """
    release, channel = call.text("release"), call.text("channel")
    if call.text("squashfs_base") is not None and (release or channel):
        raise UsageError("--squashfs_base and --release name two base images")
    if release is None and channel is None:
        try:
            image = base_image(call, board)
            return FoundBase(image, board.binhosts, output_folder(call, image))
        except BoardError:
            if board.releases is None:
                raise
    store = ReleaseStore(board, cache_root(), progress, offline=call.on("offline"))
    if release is None:
        release, channel = _choose_version(call, board, store, progress)
    with progress.step(f"Fetch base image of release {release}"):
        found = store.fetch(release, channel)
    given = call.text("image_builddir")
    output = Path(given) if given else IMAGES / board.name / release / "sysext"
    return FoundBase(found.base_image, (found.binhost,), output, found.version)


def base_image(call: Call, board: Board) -> Path:
    """Return the base image that the call names, or the board's newest local one.

    :raises BoardError: the board has none. :raises UsageError: the named one is no file.
    """
    given = call.text("squashfs_base")
    if given is not None:
        if not Path(given).is_file():
            raise UsageError(f"base image {given} is not a file", hint="see --squashfs_base")
        return Path(given)
    for path in board.base_image_paths():
        if path.is_file():
            return path
    demo = board.name.startswith("demo-")
    raise BoardError(
        f"board {board.name} has no base image here",
        {"looked for": "\n".join(str(path) for path in board.base_image_paths())},
        hint="run ci/demo, which builds it" if demo else "name one with --squashfs_base=FILE",
    )


def output_folder(call: Call, image: Path) -> Path:
    """Return --image_builddir, or the folder "sysext" beside the base image."""
    given = call.text("image_builddir")
    return Path(given) if given is not None else image.parent / "sysext"


def built_folder(call: Call, board: Board) -> Path | None:
    """Return where a build of this call would have put its outputs, or None when there was none.

    Without a local base image that is the folder of the release that was built on last.
    """
    given = call.text("image_builddir")
    if given is not None:
        return Path(given)
    try:
        return output_folder(call, base_image(call, board))
    except BoardError:
        folders = (IMAGES / board.name).glob("*/sysext")
        return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _choose_version(
    call: Call, board: Board, store: ReleaseStore, progress: Progress
) -> tuple[str, str | None]:
    """Return the version of the checkout or the newest of a channel, and its channel."""
    channel = call.text("channel")
    file = Path(board.version_file) if board.version_file else None
    if channel is None and file is not None and file.exists():
        version = read_version_file(file).expected_version(
            "", official=call.on("official"), build_id=call.text("build_id") or ""
        )
        progress.note(f"board {board.name} has no base image here: taking that of {file}")
        return version, None
    assert board.releases is not None
    channel = channel or board.releases.default_channel
    version = store.of_channel(channel)
    progress.note(f"the newest release of channel {channel} is {version}")
    return version, channel

"""What an image file is: its partitions, and the files in it, read without mounting anything.

Source of the partition types: the Discoverable Partitions Specification.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sysextlib.errors import BaseError, SysextError, ToolError, VerifyError
from sysextlib.explain.root import LARGEST, Folder, Root
from sysextlib.image.ddi import TYPES
from sysextlib.image.erofs_reader import Erofs
from sysextlib.image.gpt import Partition, read_gpt
from sysextlib.squashfs.reader import Squashfs
from sysextlib.system.run import run
from sysextlib.system.tools import Tools
from sysextlib.tree import Content, Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sysextlib.image.erofs_reader import ImageEntry

GENERIC = "linux-generic"
_NAMES = ("root", "root-verity", "root-verity-sig")
_USR = {
    UUID("8484680c-9521-48c6-9c11-b0720656f69e"): "usr",
    UUID("77ff5f63-e7b6-4633-acf4-1565b864c0e6"): "usr-verity",
    UUID("e7bb33fb-06cf-4e81-8273-e543b413e2e2"): "usr-verity-sig",
    UUID("b0e01050-ee5f-4390-949a-9101b17104e9"): "usr",
    UUID("6e11a4e7-fbca-4ded-b9e9-e1a512bb664e"): "usr-verity",
    UUID("c23ce4ff-44bd-4b00-b2d4-b41b3419e02a"): "usr-verity-sig",
}
_OTHERS = {
    UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"): "esp",
    UUID("bc13c2ff-59e6-4262-a352-b275fd6f7172"): "xbootldr",
    UUID("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"): "swap",
    UUID("933ac7e1-2eb4-4f13-b844-0e14e2aef915"): "home",
    UUID("3b8f8425-20e0-4f3b-907f-1a25a76f98e8"): "srv",
    UUID("4d21b016-b534-45c2-a9fb-5c16e091fd2d"): "var",
    UUID("7ec6f557-3bc5-4aca-b293-16ef5df639d1"): "tmp",
    UUID("0fc63daf-8483-4772-8e79-3d69d8477de4"): GENERIC,
}
DESIGNATORS: Mapping[UUID, str] = {
    **{uuid: name for types in TYPES.values() for uuid, name in zip(types, _NAMES, strict=True)},
    **_USR,
    **_OTHERS,
}
EROFS = (1024, b"\xe2\xe1\xf5\xe0", "erofs")
MAGICS = (
    EROFS,
    (0, b"hsqs", "squashfs"),
    (1080, b"\x53\xef", "ext4"),
    (0, b"LUKS\xba\xbe", "luks"),
    (65600, b"_BHRfS_M", "btrfs"),
    (0, b"XFSB", "xfs"),
)


class UnreadableError(ValueError):
    """A file system of a kind, or with features, that is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A partition with what it holds.

    :param name: as image policies call it, or GENERIC.
    :param file_system: such as "erofs"; "" when it is none that we know.
    """

    name: str
    file_system: str
    entry: Partition
    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An image taken apart.

    :param kind: "partitions", "file system" or "folder".
    :param parts: in the order of the table; those of unknown types are left out.
    :param whole: all bytes of a file.
    """

    path: Path
    kind: str
    parts: tuple[Part, ...] = ()
    file_system: str = ""
    whole: memoryview = field(default_factory=lambda: memoryview(b""))


def look(path: Path) -> Seen:
    """Take an image apart as far as systemd does before it mounts.

    :raises VerifyError: it cannot be read, or is nothing that systemd could use.
    """
    if path.is_dir():
        return Seen(path=path, kind="folder")
    try:
        with path.open("rb") as stream:
            whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise VerifyError(f"{path} cannot be read", {"fault": error.strerror}) from None
    except ValueError:
        raise VerifyError("it is empty") from None
    found = file_system_of(whole)
    if found:
        return Seen(path=path, kind="file system", file_system=found, whole=whole)
    parts = []
    for entry in read_gpt(whole.obj).partitions:  # type: ignore[arg-type]
        name = DESIGNATORS.get(entry.type)
        data = whole[entry.offset : entry.offset + entry.size]
        if name is not None:
            fs = file_system_of(data)
            parts.append(Part(name=name, file_system=fs, entry=entry, data=data))
    return Seen(path=path, kind="partitions", parts=tuple(parts), whole=whole)


def file_system_of(data: memoryview) -> str:
    """Return the type of a file system, as the kernel calls it; "" for none that we know."""
    for offset, magic, name in MAGICS:
        if data[offset : offset + len(magic)] == magic:
            return name
    return ""


@contextlib.contextmanager
def files_of(path: Path, data: memoryview, file_system: str) -> Iterator[Root]:
    """Open the files of a folder (no file system), or of a file system within an image.

    :raises VerifyError: it is damaged.
    :raises UnreadableError: systemd may know it, and we do not.
    :raises MissingToolError: a compressed file is read, and dump.erofs is absent.
    """
    if path.is_dir():
        yield Root(Folder(path))
    elif file_system == "erofs":
        yield Root(_ErofsFiles(path, data))
    elif file_system == "squashfs":
        with tempfile.NamedTemporaryFile() as copy:  # the reader wants a file of its own
            copy.write(data)
            copy.flush()
            try:
                with Squashfs(Path(copy.name), "the image") as image:
                    yield Root(image)
            except BaseError as error:
                if "not read here" in error.brief:  # its compression
                    raise UnreadableError(error.brief) from None
                raise VerifyError(error.brief) from None
    elif file_system:
        raise UnreadableError(f"it holds {file_system}, which is not read here")
    else:
        raise VerifyError("it holds no file system that is known")


class _ErofsFiles:
    """An EROFS file system as a source; compressed files are read by dump.erofs."""

    def __init__(self, path: Path, data: memoryview) -> None:
        self._path = path
        self._data = data
        try:
            self._erofs = Erofs(data)
        except VerifyError as error:
            if "do not know" in error.brief:
                raise UnreadableError(error.brief) from None
            raise
        self._entries = {entry.path: entry for entry in self._erofs.entries()}

    def get(self, path: str) -> Entry | None:
        found = self._entries.get(path)
        if found is None:
            return None
        return Entry(
            path=path,
            kind=found.kind,
            mode=found.mode,
            target=found.target,
            content=Content(found.size, "") if found.kind is Kind.FILE else None,
            xattrs=found.xattrs,
        )

    def names(self, folder: str) -> tuple[str, ...]:
        start = f"{folder}/"
        below = (path for path in self._entries if path.startswith(start))
        return tuple(sorted(path[len(start) :] for path in below if "/" not in path[len(start) :]))

    def chunks(self, path: str) -> Iterator[bytes]:
        entry = self._entries[path]
        if entry.size > LARGEST:
            raise VerifyError(f"{path} is too large to be what its name says")
        yield self._erofs.read(entry) if entry.extents is not None else self._dump(entry)

    def _dump(self, entry: ImageEntry) -> bytes:
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(self._data)
            copy.flush()
            argv = Tools.locate().argv("dump.erofs")
            try:
                words = (*argv, f"--nid={entry.nid}", "--cat", copy.name)
                return run(words, name="dump.erofs").stdout
            except ToolError as error:
                raise VerifyError(f"{entry.path} cannot be read", error.facts) from None


def readable(error: SysextError) -> str:
    """Return an error as one line."""
    facts = ", ".join(f"{name} {value}" for name, value in error.facts.items())
    return f"{error.brief} ({facts})" if facts else error.brief

"""A package's image: a tar from nobody knows where becomes entries whose bytes are in a spool.

The stream is decompressed once, in a thread of its own that writes it to the spool file as it is;
this thread reads headers and hashes contents meanwhile. An entry's content is a slice of the spool.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sysextlib.binpkg.compression import Slice, StreamError, decompress
from sysextlib.binpkg.model import Image
from sysextlib.binpkg.spool import Spool
from sysextlib.binpkg.stream import Stream, ahead, bounded
from sysextlib.binpkg.tar_headers import Member, read_members
from sysextlib.tree import CHUNK, Content, Entry, Kind, parents

if TYPE_CHECKING:
    from pathlib import Path

    from sysextlib.binpkg.place import Place
    from sysextlib.errors import PackageError

KINDS = {
    "0": Kind.FILE,
    "2": Kind.SYMLINK,
    "3": Kind.CHARDEV,
    "4": Kind.BLOCKDEV,
    "5": Kind.DIRECTORY,
    "6": Kind.FIFO,
}
DEVICES = frozenset({Kind.CHARDEV, Kind.BLOCKDEV})
HARD_LINK = "1"
XATTR = b"SCHILY.xattr."
XATTR_NAME, XATTR_VALUE = 255, 65536  # xattr(7)
# Records that carry permissions in a form that no writer of packages uses: refused, not lost.
FOREIGN = (b"SCHILY.acl.", b"RHT.security.", b"LIBARCHIVE.xattr.", b"SCHILY.fflags")
NO_ID = 0xFFFFFFFF  # (uid_t) -1 means "leave it" to chown(2)
TIME = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How an image is read.

    :param prefix: the folder that holds all members, "." or a name.
    :param origin: the cpv that the entries bear.
    :param allow_devices: device nodes become entries.
    """

    prefix: bytes
    origin: str
    allow_devices: bool = False


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    place: Place
    rules: Rules
    spool: Path
    most: int
    entries: dict[str, Entry] = field(default_factory=dict)
    first_name: dict[str, str] = field(default_factory=dict)  # of hard links but the first
    sparse: dict[str, tuple[Member, int]] = field(default_factory=dict)  # with the data's offset
    expanded: int = 0


def unpack_image(source: Slice, spool_dir: Path, place: Place, rules: Rules) -> Image:
    """Decompress an image into a new file below ``spool_dir`` and return its entries.

    :raises PackageError: the image is damaged or unsafe.
    :raises OutputError: the spool cannot be written.
    """
    most = place.limits.stream(source.size, place.limits.unpacked)
    with Spool.create(spool_dir, rules.origin) as spool:
        reading = _Reading(place, rules, spool.path, most)
        try:
            chunks = spool.passing(bounded(decompress(source), most))
            with ahead(chunks) as running:
                stream = Stream(running)
                for member in read_members(stream, place):
                    _add(reading, member, stream)
        except StreamError as error:
            raise place.refuse(f"it {error}") from error
        spool.flush()
        if reading.sparse:
            _expand(reading, spool_dir)
        return Image(_settled(reading), spool.path)


def read_stored_image(archive: Path, spool_dir: Path, place: Place, rules: Rules) -> Image:
    """Return the entries of a tar that is not compressed; their bytes stay where they lie.

    :raises PackageError: the archive is damaged or unsafe.
    :raises OutputError: a sparse file cannot be written in full below ``spool_dir``.
    """
    reading = _Reading(place, rules, archive, place.limits.unpacked)
    with archive.open("rb") as file:
        stream = Stream(iter(lambda: file.read(CHUNK), b""))
        try:
            for member in read_members(stream, place):
                _add(reading, member, stream)
        except StreamError as error:
            raise place.refuse(f"it {error}") from error
    if reading.sparse:
        _expand(reading, spool_dir)
    return Image(_settled(reading), archive)


def _add(reading: _Reading, member: Member, stream: Stream) -> None:
    """Check a member, take its bytes from the stream and note its entry."""
    path = _path(reading, member.name)
    if member.form == HARD_LINK:
        _add_link(reading, path, member)
        return
    kind = KINDS.get(member.form)
    if kind is None:
        raise _refuse(reading, member, f"a member is of the unknown type {member.form!r}")
    if kind in DEVICES and not reading.rules.allow_devices:
        raise _refuse(reading, member, f"a member is a {kind}")
    if member.stored and kind is not Kind.FILE:
        raise _refuse(reading, member, f"a {kind} carries data")
    content = None
    if kind is Kind.FILE:
        content = _content(reading, path, member, stream)
    if not path:
        if kind is not Kind.DIRECTORY:
            raise _refuse(reading, member, f"its root is a {kind}")
        return
    if path in reading.entries:
        raise _refuse(reading, member, "two members have the same name")
    reading.entries[path] = Entry(
        path=path,
        kind=kind,
        mode=_within(reading, member, "mode", member.mode, 0, 0o177777) & 0o7777,
        uid=_within(reading, member, "owner", member.uid, 0, NO_ID - 1),
        gid=_within(reading, member, "group", member.gid, 0, NO_ID - 1),
        mtime=_within(reading, member, "time", member.mtime, -TIME, TIME),
        target=_target(reading, member) if kind is Kind.SYMLINK else "",
        content=content,
        device=_device(reading, member) if kind in DEVICES else None,
        xattrs=_xattrs(reading, member),
        origin=reading.rules.origin,
    )


def _content(reading: _Reading, path: str, member: Member, stream: Stream) -> Content:
    """Hash the bytes while they pass; a sparse file's are put in their places later."""
    offset = stream.position
    if member.holes is not None:
        reading.expanded += member.size
        if reading.expanded > reading.most:
            raise _refuse(reading, member, "its sparse files are larger than is allowed")
        reading.sparse[path] = (member, offset)
        stream.skip(member.stored)
        return Content(member.size, "", spool=reading.spool)
    sha = hashlib.sha256()
    stream.pass_on(member.stored, sha.update)
    return Content(member.stored, sha.hexdigest(), spool=reading.spool, offset=offset)


def _add_link(reading: _Reading, path: str, member: Member) -> None:
    """Note one more name of an inode that a member before this one brought."""
    if member.stored:
        raise _refuse(reading, member, "a hard link carries data")
    if not path or path in reading.entries:
        raise _refuse(reading, member, "two members have the same name")
    target = _path(reading, member.target)
    first = reading.first_name.get(target, target)
    entry = reading.entries.get(first)
    if entry is None or entry.kind not in {Kind.FILE, Kind.SYMLINK}:
        raise _refuse(reading, member, "a hard link names no file that came before it")
    reading.entries[path] = replace(entry, path=path)
    reading.first_name[path] = first


def _path(reading: _Reading, raw: bytes) -> str:
    """Return a member's path below the root, "" for the root itself."""

    def refuse(rule: str) -> PackageError:
        return reading.place.refuse(rule, member=raw)

    limits = reading.place.limits
    if len(raw) > limits.name:
        raise refuse("a member's name is too long")
    if raw.startswith(b"/"):
        raise refuse("a member has an absolute name")
    prefix = reading.rules.prefix
    first, _, below = raw.partition(b"/")
    if first != prefix and prefix != b".":
        raise refuse(f"a member lies outside {prefix.decode()}/")
    relative = (below if first == prefix else raw).rstrip(b"/")
    for part in relative.split(b"/") if relative else ():
        if part == b"..":
            raise refuse("a member's name leaves the root with ..")
        if part in {b"", b"."}:
            raise refuse("a member's name has an empty part")
        if len(part) > limits.part:
            raise refuse("a part of a member's name is too long")
    if relative.count(b"/") > limits.depth:
        raise refuse(f"a member lies more than {limits.depth} folders deep")
    if b"\0" in relative or b"\n" in relative:
        raise refuse("a member's name holds a line feed or NUL, which CONTENTS cannot record")
    try:
        return relative.decode()
    except UnicodeDecodeError as error:
        raise refuse("a member's name is not UTF-8") from error


def _target(reading: _Reading, member: Member) -> str:
    """Return where a symlink points; anywhere is allowed, since nothing follows it here."""
    target = member.target
    if not target or len(target) >= reading.place.limits.name or b"\0" in target or b"\n" in target:
        raise _refuse(reading, member, "a symlink's target is empty, too long or holds a line feed")
    try:
        return target.decode()
    except UnicodeDecodeError as error:
        raise _refuse(reading, member, "a symlink's target is not UTF-8") from error


def _device(reading: _Reading, member: Member) -> tuple[int, int]:
    major, minor = member.device
    _within(reading, member, "device", major, 0, 0xFFF)  # the kernel's 12 and 20 bits
    _within(reading, member, "device", minor, 0, 0xFFFFF)
    return major, minor


def _xattrs(reading: _Reading, member: Member) -> tuple[tuple[str, bytes], ...]:
    found = {}
    for key, value in member.pax.items():
        if key.startswith(FOREIGN):
            raise _refuse(reading, member, f"a member has a record {key.decode('latin-1')!r}")
        if not key.startswith(XATTR):
            continue
        name = key.removeprefix(XATTR)
        if not 0 < len(name) <= XATTR_NAME or len(value) > XATTR_VALUE or not name.isascii():
            raise _refuse(reading, member, "an extended attribute has a bad name or size")
        found[name.decode()] = value
    return tuple(sorted(found.items()))


def _within(reading: _Reading, member: Member, what: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise _refuse(reading, member, f"a member's {what} is out of range")
    return value


def _refuse(reading: _Reading, member: Member, rule: str) -> PackageError:
    return reading.place.refuse(rule, member=member.name)


def _expand(reading: _Reading, spool_dir: Path) -> None:
    """Write sparse files in full to a second spool, with holes where the file system has them."""
    with Spool.create(spool_dir, reading.rules.origin) as spool, reading.spool.open("rb") as source:
        for path, (member, offset) in reading.sparse.items():
            source.seek(offset)
            start, sha = spool.position, hashlib.sha256()
            end = 0
            for hole, length in member.holes or ():
                spool.zeros(hole - end, sha.update)
                spool.copy(source, length, sha.update)
                end = hole + length
            spool.zeros(member.size - end, sha.update)
            content = Content(member.size, sha.hexdigest(), spool=spool.path, offset=start)
            reading.entries[path] = replace(reading.entries[path], content=content)
        spool.flush()


def _settled(reading: _Reading) -> tuple[Entry, ...]:
    """Return the entries after every parent was seen to be a directory, hard links joined."""
    entries = reading.entries
    checked: set[str] = set()
    for path in entries:
        for parent in parents(path):
            if parent in checked:
                break
            known = entries.get(parent)
            if known is not None and known.kind is not Kind.DIRECTORY:
                raise reading.place.refuse(
                    f"a member lies below a {known.kind} of the same package",
                    member=path,
                    below=parent,
                )
            checked.add(parent)
    tokens: dict[str, str] = {}
    for path, first in reading.first_name.items():
        tokens[first] = min(tokens.get(first, first), path)
    return tuple(_joined(reading, entry, tokens) for entry in entries.values())


def _joined(reading: _Reading, entry: Entry, tokens: dict[str, str]) -> Entry:
    first = reading.first_name.get(entry.path, entry.path)
    if entry.kind is not Kind.FILE or first not in tokens:
        return entry
    original = reading.entries[first]  # a sparse file's content came after its links
    return replace(original, path=entry.path, hardlink=tokens[first])

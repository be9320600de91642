"""The gpkg container: GLEP 78.

A tar of four members below one folder: ``gpkg-1``, ``metadata.tar``, ``image.tar`` (compressed or
not) and ``Manifest``, which lists the others with size and digests. Members of a signed package
have a ``.sig`` beside them, and its Manifest is a clear-signed text.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.binpkg.compression import Slice, StreamError, decompress
from sysextlib.binpkg.stream import SeekingStream, Stream, bounded
from sysextlib.binpkg.tar_headers import Member, read_members
from sysextlib.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sysextlib.binpkg.model import Image
    from sysextlib.binpkg.place import Place

IDENTIFIER = "gpkg-1"
MANIFEST = "Manifest"
MANIFEST_SIZE = 1 << 20
SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
# Names of the Manifest's digests (GLEP 74) in hashlib; one of the first two must be there.
DIGESTS = {
    "BLAKE2B": "blake2b",
    "SHA512": "sha512",
    "SHA3_512": "sha3_512",
    "SHA3_256": "sha3_256",
    "BLAKE2S": "blake2s",
    "SHA256": "sha256",
    "SHA1": "sha1",
    "MD5": "md5",
}
STRONG = frozenset({"BLAKE2B", "SHA512"})


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the Manifest."""

    size: int
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gpkg:
    """The parts of a gpkg whose structure is right.

    :param parts: the members but for the Manifest, by their name below the folder.
    """

    folder: str
    parts: Mapping[str, Slice]
    manifest: Mapping[str, Listed]
    signatures: tuple[str, ...]

    def part(self, stem: str, place: Place) -> str:
        """Return the name of ``metadata`` or ``image``, whatever its compression."""
        names = [
            name
            for name in self.parts
            if name.split(".")[:2] == [stem, "tar"] and not name.endswith(".sig")
        ]
        if len(names) != 1:
            raise place.refuse(f"it must have one {stem}.tar", has=", ".join(sorted(self.parts)))
        return names[0]


def read_gpkg(file: Slice, place: Place) -> Gpkg:
    """Read the container's structure; no digest is computed yet.

    :raises PackageError: it is damaged, or members and Manifest do not agree.
    """
    try:
        members = _members(file, place)
    except StreamError as error:
        raise place.refuse(f"it {error}") from error
    folder = _folder(members, place)
    parts = {name.removeprefix(f"{folder}/"): part for name, part in members.items()}
    if IDENTIFIER not in parts:
        raise place.refuse(f"it has no member {IDENTIFIER}, which names its format")
    if MANIFEST not in parts:
        raise place.refuse("it has no Manifest")
    stored = parts.pop(MANIFEST)
    if stored.size > MANIFEST_SIZE:
        raise place.refuse("its Manifest is too large", size=stored.size)
    text, is_signed = _plain_text(stored.at(0, stored.size), place)
    manifest = _read_manifest(text, place)
    _agree(parts, manifest, place)
    signed = [MANIFEST] if is_signed else []
    signed += [n.removesuffix(".sig") for n in sorted(parts) if n.endswith(".sig")]
    return Gpkg(folder, parts, manifest, tuple(signed))


def _members(file: Slice, place: Place) -> dict[str, Slice]:
    found: dict[str, Slice] = {}
    stream = SeekingStream(file)
    for member in read_members(stream, place):
        name = _member_name(member, place)
        if name in found:
            raise place.refuse("two members have the same name", member=name)
        found[name] = Slice(file.descriptor, file.offset + stream.position, member.stored)
        stream.skip(member.stored)
    return found


def _member_name(member: Member, place: Place) -> str:
    name = member.name.decode("utf-8", "replace")
    if member.form != "0" or member.holes is not None:
        raise place.refuse("a member of the container is no plain file", member=name)
    folder, _, part = name.partition("/")
    if folder in {"", ".", ".."} or not part or "/" in part or not name.isprintable():
        raise place.refuse("a member does not lie in the container's one folder", member=name)
    return name


def _folder(members: Mapping[str, Slice], place: Place) -> str:
    folders = {name.partition("/")[0] for name in members}
    if len(folders) != 1:
        raise place.refuse(
            "its members must lie in one folder", folders=", ".join(sorted(folders)) or "none"
        )
    return folders.pop()


def _plain_text(data: bytes, place: Place) -> tuple[bytes, bool]:
    """Return a Manifest without its clear-text signature (RFC 9580, 7), and whether it had one."""
    if not data.startswith(SIGNED):
        return data, False
    _, blank, rest = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    text, mark, _ = rest.partition(b"\n" + SIGNATURE)
    if not blank or not mark:
        raise place.refuse("its Manifest's signature is not whole")
    return b"\n".join(line.removeprefix(b"- ") for line in text.split(b"\n")), True


def _read_manifest(text: bytes, place: Place) -> dict[str, Listed]:
    """Read lines "DATA name size NAME hex ..."; other tags are those of other Manifests."""
    listed: dict[str, Listed] = {}
    for number, line in enumerate(text.decode("utf-8", "replace").split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        tag, *rest = words
        if tag != "DATA" or len(rest) < 4 or len(rest) % 2 or not rest[1].isdecimal():
            raise place.refuse("a line of its Manifest is damaged", line=number)
        name = rest[0]
        if name in listed:
            raise place.refuse("its Manifest lists a member twice", member=name)
        digests = dict(zip(rest[2::2], (h.lower() for h in rest[3::2]), strict=True))
        if not STRONG & digests.keys():
            raise place.refuse("its Manifest has neither BLAKE2B nor SHA512", member=name)
        if len(rest[1]) > 18:
            raise place.refuse("a size in its Manifest is out of range", member=name)
        listed[name] = Listed(int(rest[1]), digests)
    return listed


def _agree(parts: Mapping[str, Slice], manifest: Mapping[str, Listed], place: Place) -> None:
    for name in parts.keys() ^ manifest.keys():
        where = "its Manifest" if name in parts else "the file"
        raise place.refuse(f"a member is missing from {where}", member=name)
    for name, part in parts.items():
        if part.size != manifest[name].size:
            raise place.refuse(
                "a member's size is not what the Manifest says",
                member=name,
                size=part.size,
                Manifest=manifest[name].size,
            )


def check_digests(part: Slice, name: str, listed: Listed, place: Place) -> None:
    """Compare all digests that the Manifest gives of a part.

    :raises PackageError: one differs.
    """
    wanted = {key: value for key, value in listed.digests.items() if key in DIGESTS}
    hashes = {key: hashlib.new(DIGESTS[key], usedforsecurity=False) for key in wanted}
    try:
        for chunk in part.again().chunks():
            for running in hashes.values():
                running.update(chunk)
    except StreamError as error:
        raise place.refuse(f"it {error}", member=name) from error
    for key, running in hashes.items():
        if running.hexdigest() != wanted[key]:
            raise place.refuse(
                f"a member's {key} is not what the Manifest says",
                member=name,
                digest=running.hexdigest(),
                Manifest=wanted[key],
            )


def read_metadata(gpkg: Gpkg, place: Place) -> dict[str, bytes]:
    """Return the metadata after every part but the image was compared with the Manifest.

    :raises PackageError: a digest differs, or the metadata archive is damaged.
    """
    image, name = gpkg.part("image", place), gpkg.part("metadata", place)
    for other, part in gpkg.parts.items():
        if other != image:
            check_digests(part, other, gpkg.manifest[other], place)
    inner = place.inside(name)
    part = gpkg.parts[name]
    found: dict[str, bytes] = {}
    most = place.limits.stream(part.size, place.limits.metadata)
    try:
        stream = Stream(bounded(decompress(part.again()), most))
        for member in read_members(stream, inner):
            key = _key(member, inner)
            if key in found:
                raise inner.refuse("two members have the same name", member=key)
            data = stream.take(member.stored)
            if key:
                found[key] = data
    except StreamError as error:
        raise inner.refuse(f"it {error}") from error
    return found


def _key(member: Member, place: Place) -> str:
    """Return the VDB key that a member of metadata.tar holds, "" for the folder itself."""
    name = member.name.decode("utf-8", "replace")
    if member.form == "5" and name.rstrip("/") == "metadata" and not member.stored:
        return ""
    folder, _, key = name.partition("/")
    if folder != "metadata" or member.form != "0" or member.holes is not None:
        raise place.refuse("a member is no plain file below metadata/", member=name)
    return check_key(key, place)


def check_key(key: str, place: Place) -> str:
    """Return a VDB key, which must be a plain file name.

    :raises PackageError: it is not.
    """
    if key in {"", ".", ".."} or "/" in key or not key.isprintable() or len(key) > 255:
        raise place.refuse("a metadata key is no plain name", member=key)
    return key


def checked_meanwhile(check: Callable[[], None], work: Callable[[], Image]) -> Image:
    """Do ``work`` while another thread runs ``check``.

    A wrong digest explains whatever else fails, so that its error goes first.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="digest") as pool:
        checking = pool.submit(check)
        try:
            image = work()
        except PackageError:
            checking.result()
            raise
        try:
            checking.result()
        except BaseException:
            for path in {entry.content.spool for entry in image.entries if entry.content}:
                if path is not None:
                    path.unlink(missing_ok=True)
            image.spool.unlink(missing_ok=True)
            raise
        return image

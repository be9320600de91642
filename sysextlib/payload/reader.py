"""A payload's structure, read without trusting any length in it; blobs stay in the file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sysextlib.errors import VerifyError
from sysextlib.payload.format import (
    HEADER,
    MAGIC,
    MAX_MANIFEST,
    VERSION,
    FormatError,
    PayloadManifest,
    Signature,
    decode_manifest,
    decode_signatures,
)

if TYPE_CHECKING:
    from pathlib import Path

MAX_SIGNATURES = 64 << 10  # bytes of the Signatures message; one takes 264


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A payload file's parts.

    :param size: of the file, in bytes.
    :param blobs: where the first blob starts; all offsets in the manifest count from here.
    :param signatures: empty for an unsigned payload.
    """

    path: Path
    size: int
    blobs: int
    manifest: PayloadManifest
    signatures: tuple[Signature, ...]

    @property
    def signed_size(self) -> int:
        """How many bytes from the start of the file the signatures cover."""
        return self.blobs + (self.manifest.signatures_offset or 0)


def is_payload(path: Path) -> bool:
    """Tell whether the file starts as a payload does."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read_payload(path: Path) -> Payload:
    """Read header, manifest and signatures; nothing is checked against the blobs.

    :raises VerifyError: unreadable, no payload, or a part does not fit into the file.
    """
    try:
        with path.open("rb") as stream:
            return _read(path, stream)
    except OSError as error:
        raise VerifyError(f"{path} cannot be read", {"reason": error.strerror}) from error


def _read(path: Path, stream: IO[bytes]) -> Payload:
    size = os.fstat(stream.fileno()).st_size
    header = stream.read(HEADER.size)
    if not header.startswith(MAGIC):
        raise VerifyError(
            f"{path} is no update payload",
            {"starts with": header[:4].hex(" ") or "(empty)", "expected": MAGIC.hex(" ")},
        )
    if len(header) < HEADER.size:
        raise VerifyError(f"{path} is cut short within its header", {"size": size})
    _, version, length = HEADER.unpack(header)
    if version != VERSION:
        raise VerifyError(
            f"{path} has payload version {version}; clients know only {VERSION}",
        )
    blobs = HEADER.size + length
    if blobs > size:
        raise VerifyError(
            f"the manifest of {path} is longer than the file",
            {"length in the header": length, "size of the file": size},
        )
    if length > MAX_MANIFEST:
        raise VerifyError(
            f"the manifest of {path} is larger than any image needs",
            {"length in the header": length, "largest": MAX_MANIFEST},
        )
    try:
        manifest = decode_manifest(stream.read(length))
    except FormatError as error:
        raise VerifyError(f"the manifest of {path} is broken", {"reason": error}) from error
    return Payload(
        path=path,
        size=size,
        blobs=blobs,
        manifest=manifest,
        signatures=_read_signatures(path, stream, size, blobs, manifest),
    )


def _read_signatures(
    path: Path, stream: IO[bytes], size: int, blobs: int, manifest: PayloadManifest
) -> tuple[Signature, ...]:
    offset, length = manifest.signatures_offset, manifest.signatures_size
    if offset is None and length is None:
        return ()
    if offset is None or length is None:
        raise VerifyError(
            f"the manifest of {path} names only one of place and size of the signatures",
            {"signatures_offset": offset, "signatures_size": length},
        )
    end = blobs + offset + length
    facts = {"signatures should end at": end, "size of the file": size}
    if end > size:
        raise VerifyError(f"{path} is cut short", facts)
    if end < size:
        raise VerifyError(f"{path} has {size - end} bytes after its signatures", facts)
    if length > MAX_SIGNATURES:
        raise VerifyError(
            f"the signatures of {path} are larger than any key needs", {"signatures_size": length}
        )
    stream.seek(blobs + offset)
    try:
        return decode_signatures(stream.read(length))
    except FormatError as error:
        raise VerifyError(f"the signatures of {path} are broken", {"reason": error}) from error

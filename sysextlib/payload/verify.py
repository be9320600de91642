"""Checks a payload as strictly as all its clients together do.

update_engine, ue-rs and delta_generator each check only some of this: ue-rs never looks at the
operations' hashes nor at the image's size, update_engine aborts on bytes after a bzip2 stream,
delta_generator checks the signature only. A payload that passes here passes them all.
"""

from __future__ import annotations

import bz2
import collections
import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sysextlib.errors import VerifyError
from sysextlib.payload.format import (
    BLOCK,
    CHUNK,
    CURRENT_KEY,
    HOLE,
    REPLACE,
    REPLACE_BZ,
    SIGNATURE_BYTES,
    TYPE_NAMES,
    Extent,
    Info,
    Operation,
    Procedure,
)
from sysextlib.payload.reader import Payload, read_payload
from sysextlib.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sysextlib.payload.keys import PayloadPublicKey
    from sysextlib.progress import Progress

MAX_CHUNK = 16 * CHUNK  # bytes of the image in one operation; every known generator writes 1 MiB
MAX_BLOB = MAX_CHUNK + MAX_CHUNK // 50 + 1024  # bzip2 of bytes that cannot be compressed


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPayload:
    """What a payload was found to hold; sizes in bytes, digests in hex.

    :param key: fingerprint of the key that accepted the signature; "" when none was given.
    """

    payload: Payload
    image_size: int
    image_sha256: str
    operations: int
    compressed: int
    key: str


def verify_payload(
    path: Path,
    public_key: PayloadPublicKey | None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> VerifiedPayload:
    """Check everything about a payload; without a key, everything but who signed it.

    Memory stays bounded whatever the file claims, about 35 MiB a job at the most.

    :raises VerifyError: the first fault that was found.
    """
    payload = read_payload(path)
    size, sha256 = _check_manifest(payload)
    _check_signature(payload, public_key)
    written, found = _check_blobs(payload, size, jobs, progress or Silent())
    if written != size:
        raise VerifyError(
            f"the image in {path} has not the size that its manifest states",
            {"stated": size, "found": written},
        )
    if found != sha256:
        raise VerifyError(
            f"the image in {path} has not the hash that its manifest states",
            {"stated": sha256.hex(), "found": found.hex()},
        )
    operations = payload.manifest.operations
    return VerifiedPayload(
        payload=payload,
        image_size=size,
        image_sha256=sha256.hex(),
        operations=len(operations),
        compressed=sum(item.type == REPLACE_BZ for item in operations),
        key=public_key.fingerprint if public_key else "",
    )


def check_written(path: Path, public_key: PayloadPublicKey, image_sha256: str) -> None:
    """Check a payload just written: its structure, every byte's signature, the image it is for.

    Nothing is unpacked; that costs half as much again as packing did. ``verify_payload`` does.

    :param image_sha256: of the image that the payload holds, in hex.
    :raises VerifyError: the first fault that was found.
    """
    payload = read_payload(path)
    _, sha256 = _check_manifest(payload)
    _check_signature(payload, public_key)
    if sha256.hex() != image_sha256:
        raise VerifyError(
            f"{path} is for another image", {"stated": sha256.hex(), "wanted": image_sha256}
        )
    with path.open("rb") as stream:
        stream.seek(payload.blobs)
        for number, item in enumerate(payload.manifest.operations):
            _check_hash(item, stream.read(item.length or 0), f"operation {number} of {path}")


def _check_manifest(payload: Payload) -> tuple[int, bytes]:
    """Check all that needs no blob; return size and SHA-256 of the image."""
    path, manifest = payload.path, payload.manifest
    if manifest.block_size not in {BLOCK, None}:
        raise VerifyError(f"{path} has blocks of {manifest.block_size} bytes, not {BLOCK}")
    if manifest.old is not None:
        raise VerifyError(
            f"{path} is a delta payload, which changes an older image",
            hint="only full payloads are made and verified here",
        )
    new = manifest.new
    if new is None or new.size is None or new.sha256 is None or len(new.sha256) != 32:
        raise VerifyError(
            f"the manifest of {path} does not state the image's size and SHA-256",
            {"new_partition_info": new},
        )
    end = _check_operations(payload, manifest.operations, 0, "operation")
    for number, procedure in enumerate(manifest.procedures):
        end = _check_operations(payload, procedure.operations, end, f"procedure {number} operation")
    if manifest.signatures_offset is not None and manifest.signatures_offset != end:
        raise VerifyError(
            f"the signatures of {path} do not start where its blobs end",
            {"signatures_offset": manifest.signatures_offset, "blobs end at": end},
        )
    if manifest.signatures_offset is None and payload.blobs + end != payload.size:
        raise VerifyError(
            f"{path} does not end with its last blob",
            {"blobs end at": payload.blobs + end, "size of the file": payload.size},
        )
    if manifest.noops != _expected_noops(payload):
        raise VerifyError(
            f"{path} lacks the dummy operations that old clients need, or has others",
            {"found": len(manifest.noops), "expected": len(_expected_noops(payload))},
        )
    return new.size, new.sha256


def _check_operations(
    payload: Payload, operations: tuple[Operation, ...], start: int, what: str
) -> int:
    """Check that the operations write the image in order from contiguous blobs; return their end.

    :param start: where the first blob must lie.
    """
    block = 0
    for number, item in enumerate(operations):
        where = f"{what} {number} of {payload.path}"
        if item.type not in {REPLACE, REPLACE_BZ}:
            known = TYPE_NAMES[item.type] if item.type < len(TYPE_NAMES) else "unknown"
            raise VerifyError(f"{where} is of type {item.type} ({known}), not a full update's")
        if item.offset is None or item.length is None:
            raise VerifyError(f"{where} does not say where its data lies")
        if item.offset != start:
            raise VerifyError(
                f"the data of {where} does not follow what comes before it",
                {"data_offset": item.offset, "expected": start},
            )
        start = item.offset + item.length
        if payload.blobs + start > payload.size:
            raise VerifyError(
                f"the data of {where} lies beyond the end of the file",
                {"ends at": payload.blobs + start, "size of the file": payload.size},
            )
        if item.sha256 is None or len(item.sha256) != 32:
            raise VerifyError(f"{where} has no SHA-256 of its data")
        block += _check_extent(where, item, block)
    return start


def _check_extent(where: str, item: Operation, block: int) -> int:
    """Check that the operation writes to ``block``, in one piece; return how many blocks."""
    if len(item.extents) != 1:
        raise VerifyError(
            f"{where} writes to {len(item.extents)} extents; ue-rs takes exactly one",
        )
    extent = item.extents[0]
    if extent.start is None or extent.blocks is None:
        raise VerifyError(f"{where} does not say which blocks it writes")
    if extent.start != block:
        raise VerifyError(
            f"{where} does not write where the one before it ended",
            {"start_block": extent.start, "expected": block},
        )
    length = item.length or 0
    if not 0 < extent.blocks * BLOCK <= MAX_CHUNK or length > MAX_BLOB:
        raise VerifyError(
            f"{where} writes nothing, or more than {MAX_CHUNK} bytes",
            {"num_blocks": extent.blocks, "data_length": length},
        )
    return extent.blocks


def _expected_noops(payload: Payload) -> tuple[Operation, ...]:
    """Return the list that tells old clients about data which they do not know."""
    manifest = payload.manifest
    mirrored = [item for procedure in manifest.procedures for item in procedure.operations]
    if manifest.signatures_offset is not None and manifest.signatures_size is not None:
        offset, size = manifest.signatures_offset, manifest.signatures_size
        mirrored.append(Operation(REPLACE, offset, size, ()))
    return tuple(
        Operation(
            REPLACE,
            item.offset,
            item.length,
            (Extent(HOLE, -(-(item.length or 0) // BLOCK)),),
            item.sha256,
        )
        for item in mirrored
    )


def _check_signature(payload: Payload, public_key: PayloadPublicKey | None) -> None:
    path = payload.path
    if not payload.signatures:
        raise VerifyError(f"{path} is not signed")
    for signature in payload.signatures:
        if len(signature.data) != SIGNATURE_BYTES:
            raise VerifyError(
                f"a signature of {path} is no RSA-2048 one",
                {"bytes": len(signature.data), "expected": SIGNATURE_BYTES},
            )
    versions = [item.version for item in payload.signatures]
    if CURRENT_KEY not in versions:
        raise VerifyError(
            f"{path} has no signature of version {CURRENT_KEY}, the one that update_engine checks",
            {"versions": versions},
        )
    if public_key is None:
        return
    digest = _signed_digest(payload)
    accepted = [
        item.version for item in payload.signatures if public_key.accepts(item.data, digest)
    ]
    facts = {"key": public_key.fingerprint, "SHA-256 of what is signed": digest.hex()}
    if not accepted:
        raise VerifyError(
            f"no signature of {path} is by this key, or the file was changed after it", facts
        )
    # update_engine takes the first of that version and no other.
    current = payload.signatures[versions.index(CURRENT_KEY)]
    if not public_key.accepts(current.data, digest):
        raise VerifyError(
            f"{path} is signed by this key, but not as version {CURRENT_KEY}; "
            "update_engine would refuse it",
            {**facts, "signed as version": accepted},
            hint="the key that machines hold must be the last one given when signing",
        )


def _signed_digest(payload: Payload) -> bytes:
    sha256 = hashlib.sha256()
    left = payload.signed_size
    with payload.path.open("rb") as stream:
        while left and (piece := stream.read(min(CHUNK, left))):
            sha256.update(piece)
            left -= len(piece)
    return sha256.digest()


def _check_blobs(payload: Payload, size: int, jobs: int, progress: Progress) -> tuple[int, bytes]:
    """Check and unpack every blob; return how many bytes the image has, and their SHA-256."""
    whole = hashlib.sha256()
    written = 0
    with payload.path.open("rb") as stream:
        stream.seek(payload.blobs)
        operations = payload.manifest.operations
        for number, data in enumerate(_unpacked(payload, stream, operations, jobs, "operation")):
            blocks = operations[number].extents[0].blocks or 0
            if len(data) != blocks * BLOCK and number + 1 < len(operations):
                raise VerifyError(
                    f"operation {number} of {payload.path} does not fill the blocks it writes",
                    {"bytes": len(data), "blocks": blocks},
                )
            whole.update(data)
            written += len(data)
            if written > size:
                raise VerifyError(
                    f"the image in {payload.path} is larger than its manifest states",
                    {"stated": size, "found, at least": written},
                )
            progress.advance(written, size)
        for count, procedure in enumerate(payload.manifest.procedures):
            _check_procedure(payload, stream, count, procedure, jobs)
    return written, whole.digest()


def _check_procedure(
    payload: Payload, stream: IO[bytes], number: int, procedure: Procedure, jobs: int
) -> None:
    sha256 = hashlib.sha256()
    written = 0
    what = f"procedure {number} operation"
    for data in _unpacked(payload, stream, procedure.operations, jobs, what):
        sha256.update(data)
        written += len(data)
    found = Info(written, sha256.digest())
    if procedure.new != found:
        raise VerifyError(
            f"the data of procedure {number} of {payload.path} is not what its manifest states",
            {"stated": procedure.new, "found": found},
        )


def _unpacked(
    payload: Payload, stream: IO[bytes], operations: tuple[Operation, ...], jobs: int, what: str
) -> Iterator[bytes]:
    """Yield what each operation writes, in order; ``stream`` stands at the first blob."""
    pending: collections.deque[Future[bytes]] = collections.deque()
    at = 0
    with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="bunzip2") as pool:
        try:
            while at < len(operations) or pending:
                while at < len(operations) and len(pending) < 2 * max(1, jobs):
                    blob = stream.read(operations[at].length or 0)
                    where = f"{what} {at} of {payload.path}"
                    pending.append(pool.submit(_unpack, operations[at], blob, where))
                    at += 1
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _check_hash(item: Operation, blob: bytes, where: str) -> None:
    found = hashlib.sha256(blob).digest()
    if found != item.sha256:
        raise VerifyError(
            f"the data of {where} has not the hash that the manifest states",
            {"stated": (item.sha256 or b"").hex(), "found": found.hex()},
        )


def _unpack(item: Operation, blob: bytes, where: str) -> bytes:
    _check_hash(item, blob, where)
    limit = (item.extents[0].blocks or 0) * BLOCK
    data = _bunzip2(blob, limit, where) if item.type == REPLACE_BZ else blob
    if len(data) > limit:
        raise VerifyError(f"{where} holds more than its extent takes", {"the extent takes": limit})
    return data


def _bunzip2(blob: bytes, limit: int, where: str) -> bytes:
    """Unpack exactly one bzip2 stream, at most one byte more than ``limit``."""
    unpacker = bz2.BZ2Decompressor()
    try:
        data = unpacker.decompress(blob, max_length=limit + 1)
    except OSError as error:
        raise VerifyError(f"the data of {where} is no bzip2 stream") from error
    if len(data) <= limit and not unpacker.eof:
        raise VerifyError(f"the bzip2 stream of {where} is cut short")
    if unpacker.unused_data:
        raise VerifyError(
            f"the data of {where} goes on after its bzip2 stream; update_engine aborts on that",
            {"bytes after it": len(unpacker.unused_data)},
        )
    return data

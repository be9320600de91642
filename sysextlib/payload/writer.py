"""An image -> its signed update payload, byte for byte what delta_generator writes for both.

The rules are those of update_engine's full updates: the image in chunks of 1 MiB, each through
bzip2 -9 and stored raw where that does not make it smaller, the extent of every chunk 256 blocks
long even when the last chunk is short, and a dummy operation per signed payload for old clients.
"""

from __future__ import annotations

import bz2
import collections
import hashlib
import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sysextlib.errors import OutputError, PayloadError
from sysextlib.payload.format import (
    BLOCK,
    CHUNK,
    CHUNK_BLOCKS,
    CURRENT_KEY,
    HEADER,
    HOLE,
    MAGIC,
    MAX_OPERATIONS,
    REPLACE,
    REPLACE_BZ,
    SIGNATURE_BYTES,
    UINT32_MAX,
    VERSION,
    Extent,
    Info,
    Operation,
    PayloadManifest,
    Signature,
    encode_manifest,
    encode_signatures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sysextlib.payload.keys import PayloadKey
    from sysextlib.progress import Progress

MAX_KEYS = CURRENT_KEY + 1  # versions count down to 0 from that of the last key


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFacts:
    """What was written; sizes in bytes, digests in hex.

    :param sha1: Omaha's ``hash`` attribute is this one in base64.
    :param compressed: how many of the operations are bzip2; the others hold the chunk as it is.
    :param keys: fingerprints of the signing keys, in the order of the signatures.
    """

    path: Path
    size: int
    sha256: str
    sha1: str
    image_size: int
    image_sha256: str
    operations: int
    compressed: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Blob:
    type: int
    data: bytes
    sha256: bytes


def write_payload(
    image: Path, out: Path, keys: Sequence[PayloadKey], *, jobs: int, progress: Progress
) -> PayloadFacts:
    """Write the payload that turns a partition or file into ``image``.

    Memory stays below about 12 MiB for each job, whatever the size of the image. On an error
    ``out`` is not left behind.

    :param keys: update_engine looks only at the last one's signature, ue-rs at all.
    :param jobs: how many chunks are compressed at once.
    :raises PayloadError: the image cannot be a payload, or there are no or too many keys.
    :raises OutputError: ``out`` cannot be written.
    """
    if not 0 < len(keys) <= MAX_KEYS:
        raise PayloadError(
            f"a payload takes 1 to {MAX_KEYS} keys, not {len(keys)}",
            hint="update_engine looks only at the signature of the last",
        )
    try:
        with image.open("rb") as source, tempfile.TemporaryFile(dir=out.parent) as spool:
            size = _image_size(image, source)
            operations, digest = _spool_blobs(source, size, spool, jobs, progress)
            signed = _with_signature_place(operations, Info(size, digest), len(keys))
            return _write(out, spool, signed, keys)
    except OSError as error:
        out.unlink(missing_ok=True)
        raise OutputError(
            f"update payload {out} cannot be written", {"reason": error.strerror or error}
        ) from error
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _image_size(image: Path, source: IO[bytes]) -> int:
    size = os.fstat(source.fileno()).st_size
    if size % BLOCK:
        raise PayloadError(
            f"{image} cannot be a payload: its size is no multiple of {BLOCK}", {"size": size}
        )
    if size > MAX_OPERATIONS * CHUNK:
        raise PayloadError(
            f"{image} is too large for a payload",
            {"size": size, "largest": MAX_OPERATIONS * CHUNK},
        )
    return size


def _spool_blobs(
    source: IO[bytes], size: int, spool: IO[bytes], jobs: int, progress: Progress
) -> tuple[tuple[Operation, ...], bytes]:
    """Write the blobs to ``spool``; return their operations and the image's SHA-256."""
    whole = hashlib.sha256()
    operations: list[Operation] = []
    at = 0
    for blob in _blobs(source, size, whole, jobs):
        if at + len(blob.data) > UINT32_MAX:
            raise PayloadError(
                "the image does not fit into a payload",
                {"compressed so far": at, "of its bytes": len(operations) * CHUNK},
                hint="offsets in a payload have 32 bits: 4 GiB of compressed data",
            )
        extent = Extent(len(operations) * CHUNK_BLOCKS, CHUNK_BLOCKS)
        operations.append(Operation(blob.type, at, len(blob.data), (extent,), blob.sha256))
        spool.write(blob.data)
        at += len(blob.data)
        progress.advance(min(len(operations) * CHUNK, size), size)
    return tuple(operations), whole.digest()


def _blobs(source: IO[bytes], size: int, whole: hashlib._Hash, jobs: int) -> Iterator[_Blob]:
    """Yield the image's blobs in order; ``jobs`` threads compress a few chunks ahead."""
    pending: collections.deque[Future[_Blob]] = collections.deque()
    left = size
    with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="bzip2") as pool:
        try:
            while left or pending:
                while left and len(pending) < 2 * max(1, jobs):
                    chunk = source.read(min(CHUNK, left))
                    if len(chunk) != min(CHUNK, left):
                        raise PayloadError("the image was cut short while it was read")
                    left -= len(chunk)
                    whole.update(chunk)
                    pending.append(pool.submit(_compress, chunk))
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _compress(chunk: bytes) -> _Blob:
    packed = bz2.compress(chunk, 9)
    smaller = len(packed) < len(chunk)
    data = packed if smaller else chunk
    return _Blob(REPLACE_BZ if smaller else REPLACE, data, hashlib.sha256(data).digest())


def _with_signature_place(
    operations: tuple[Operation, ...], image: Info, count: int
) -> PayloadManifest:
    """Return the manifest, which names the signatures' place before they can be made."""
    last = operations[-1] if operations else None
    end = last.offset + last.length if last and last.offset is not None and last.length else 0
    size = len(encode_signatures(_signatures([bytes(SIGNATURE_BYTES)] * count)))
    return PayloadManifest(
        operations=operations,
        noops=(Operation(REPLACE, end, size, (Extent(HOLE, -(-size // BLOCK)),)),),
        signatures_offset=end,
        signatures_size=size,
        new=image,
    )


def _signatures(raw: Sequence[bytes]) -> tuple[Signature, ...]:
    first = CURRENT_KEY + 1 - len(raw)
    return tuple(Signature(first + at, data) for at, data in enumerate(raw))


def _write(
    out: Path, spool: IO[bytes], manifest: PayloadManifest, keys: Sequence[PayloadKey]
) -> PayloadFacts:
    encoded = encode_manifest(manifest)
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    spool.seek(0)
    size = 0
    with out.open("wb") as target:
        for piece in _pieces(HEADER.pack(MAGIC, VERSION, len(encoded)) + encoded, spool):
            target.write(piece)
            sha256.update(piece)
            sha1.update(piece)
            size += len(piece)
        signed = sha256.digest()  # covers all but the signatures, and not their version numbers
        tail = encode_signatures(_signatures([key.sign(signed) for key in keys]))
        assert len(tail) == manifest.signatures_size
        target.write(tail)
        sha256.update(tail)
        sha1.update(tail)
    assert manifest.new is not None
    assert manifest.new.size is not None
    assert manifest.new.sha256 is not None
    return PayloadFacts(
        path=out,
        size=size + len(tail),
        sha256=sha256.hexdigest(),
        sha1=sha1.hexdigest(),
        image_size=manifest.new.size,
        image_sha256=manifest.new.sha256.hex(),
        operations=len(manifest.operations),
        compressed=sum(item.type == REPLACE_BZ for item in manifest.operations),
        keys=tuple(key.public.fingerprint for key in keys),
    )


def _pieces(start: bytes, spool: IO[bytes]) -> Iterator[bytes]:
    yield start
    while piece := spool.read(CHUNK):
        yield piece

"""Every fault of a payload has its own message, and no fault passes."""

import bz2
import hashlib
import random
import tracemalloc
from dataclasses import replace

import pytest

from sysextlib.errors import VerifyError
from sysextlib.payload.format import (
    HEADER,
    MAGIC,
    Extent,
    Info,
    Operation,
    PayloadManifest,
    Signature,
    encode_manifest,
    encode_signatures,
)
from sysextlib.payload.reader import is_payload, read_payload
from sysextlib.payload.verify import check_written, verify_payload
from tests.builders.payload import assemble, noise, payload_key, payload_of, prose

MIB = 1 << 20
HOLE = 2**64 - 1


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return payload_key(tmp_path_factory.mktemp("keys"))


def signed(key, operations, blobs, image, **changes):
    """Return the payload of a hand-made manifest, correctly signed whatever the manifest says."""
    manifest = PayloadManifest(
        operations=tuple(operations),
        noops=(Operation(0, len(blobs), 264, (Extent(HOLE, 1),)),),
        signatures_offset=len(blobs),
        signatures_size=264,
        new=Info(len(image), hashlib.sha256(image).digest()),
    )
    manifest = replace(manifest, **changes)
    body = assemble(manifest, blobs)
    signature = Signature(2, key.sign(hashlib.sha256(body).digest()))
    return body + encode_signatures((signature,))


def operation(blob, offset=0, start=0, blocks=256, kind=1):
    return Operation(
        kind, offset, len(blob), (Extent(start, blocks),), hashlib.sha256(blob).digest()
    )


@pytest.fixture
def check(tmp_path, key):
    def check(data, public_key=key.public):
        (tmp_path / "p.gz").write_bytes(data)
        return verify_payload(tmp_path / "p.gz", public_key, jobs=2)

    return check


IMAGE = prose(MIB) + noise(4096)
FIRST, SECOND = bz2.compress(IMAGE[:MIB]), IMAGE[MIB:]
ONE = operation(FIRST)
TWO = operation(SECOND, len(FIRST), 256, kind=0)
BLOBS = FIRST + SECOND


def test_a_hand_made_payload_passes_so_that_the_faults_below_are_the_only_ones(check, key):
    assert check(signed(key, [ONE, TWO], BLOBS, IMAGE)).compressed == 1


FAULTS = {
    "an operation that moves data": (
        [replace(ONE, type=2), TWO],
        "operation 0 of .* is of type 2 .MOVE., not a full update's",
    ),
    "an unknown operation": ([ONE, replace(TWO, type=77)], "type 77 .unknown."),
    "an omitted offset": ([replace(ONE, offset=None), TWO], "does not say where its data lies"),
    "an omitted start block": (
        [replace(ONE, extents=(Extent(None, 256),)), TWO],
        "does not say which blocks it writes",
    ),
    "no hash": ([replace(ONE, sha256=None), TWO], "has no SHA-256"),
    "a short hash": ([replace(ONE, sha256=b"short"), TWO], "has no SHA-256"),
    "a wrong hash": (
        [ONE, replace(TWO, sha256=bytes(32))],
        "the data of operation 1 of .* has not the hash",
    ),
    "a gap between blobs": (
        [ONE, replace(TWO, offset=TWO.offset + 1, length=4095)],
        "the data of operation 1 of .* does not follow",
    ),
    "overlapping blobs": ([ONE, replace(TWO, offset=0)], "does not follow what comes before"),
    "data beyond the file": (
        [ONE, replace(TWO, length=2**32 - 1)],
        "beyond the end of the file",
    ),
    "blocks out of order": (
        [ONE, replace(TWO, extents=(Extent(0, 256),))],
        "does not write where the one before it ended",
    ),
    "two extents": (
        [ONE, replace(TWO, extents=(Extent(256, 1), Extent(257, 1)))],
        "writes to 2 extents; ue-rs takes exactly one",
    ),
    "no extent": ([ONE, replace(TWO, extents=())], "writes to 0 extents"),
    "an empty extent": ([ONE, replace(TWO, extents=(Extent(256, 0),))], "writes nothing"),
    "a giant extent": (
        [ONE, replace(TWO, extents=(Extent(256, 2**60),))],
        "writes nothing, or more than 16777216 bytes",
    ),
    "an extent smaller than its data": (
        [replace(ONE, extents=(Extent(0, 255),)), replace(TWO, extents=(Extent(255, 1),))],
        "operation 0 of .* holds more than its extent takes",
    ),
    "an extent larger than its data": (
        [replace(ONE, extents=(Extent(0, 257),)), replace(TWO, extents=(Extent(257, 1),))],
        "does not fill the blocks it writes",
    ),
    "raw data that is called bzip2": ([ONE, replace(TWO, type=1)], "is no bzip2 stream"),
    "bzip2 that is called raw": ([replace(ONE, type=0), TWO], "does not fill the blocks"),
    "a missing last blob": ([ONE], "signatures of .* do not start where its blobs end"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_of_an_operation_is_named(check, key, case):
    operations, message = FAULTS[case]
    with pytest.raises(VerifyError, match=message):
        check(signed(key, operations, BLOBS, IMAGE))


MANIFEST_FAULTS = {
    "another image hash": (
        {"new": Info(len(IMAGE), bytes(32))},
        "has not the hash that its manifest states",
    ),
    "a smaller image size": (
        {"new": Info(4096, hashlib.sha256(IMAGE).digest())},
        "larger than its manifest states",
    ),
    "a larger image size": (
        {"new": Info(2**40, hashlib.sha256(IMAGE).digest())},
        "has not the size that its manifest states",
    ),
    "no image": ({"new": None}, "does not state the image's size and SHA-256"),
    "a hash of 31 bytes, at which ue-rs panics": (
        {"new": Info(len(IMAGE), bytes(31))},
        "does not state the image's size and SHA-256",
    ),
    "blocks of another size": ({"block_size": 512}, "has blocks of 512 bytes"),
    "no dummy operation": ({"noops": ()}, "lacks the dummy operations"),
    "no size of the signatures": ({"signatures_size": None}, "only one of place and size"),
    "giant signatures": ({"signatures_size": 2**63}, "is cut short"),
}


@pytest.mark.parametrize("case", MANIFEST_FAULTS)
def test_a_fault_of_the_manifest_is_named(check, key, case):
    changes, message = MANIFEST_FAULTS[case]
    with pytest.raises(VerifyError, match=message):
        check(signed(key, [ONE, TWO], BLOBS, IMAGE, **changes))


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"x", "goes on after its bzip2 stream; update_engine aborts"),
        (bz2.compress(b""), "goes on after its bzip2 stream"),
    ],
)
def test_bytes_after_a_bzip2_stream_are_refused(check, key, tail, message):
    blob = FIRST + tail
    with pytest.raises(VerifyError, match=message):
        check(signed(key, [operation(blob)], blob, IMAGE[:MIB]))


def test_a_bzip2_stream_that_is_cut_short_is_refused(check, key):
    blob = FIRST[:-1]
    with pytest.raises(VerifyError, match=r"bzip2 stream of operation 0 of .* is cut short"):
        check(signed(key, [operation(blob)], blob, IMAGE[:MIB]))


def test_an_unsigned_payload_and_an_older_image_are_refused(check, key):
    plain = PayloadManifest(operations=(), new=Info(0, hashlib.sha256().digest()))
    with pytest.raises(VerifyError, match="is not signed"):
        check(assemble(plain, b""))
    with pytest.raises(VerifyError, match="does not end with its last blob"):
        check(assemble(plain, b"more"))
    delta = encode_manifest(plain) + b"\x42\x00"
    with pytest.raises(VerifyError, match="is a delta payload"):
        check(HEADER.pack(MAGIC, 1, len(delta)) + delta)


def test_each_part_of_the_file_that_is_wrong_is_named(check, key):
    good = signed(key, [ONE, TWO], BLOBS, IMAGE)
    for data, message in {
        b"": "is no update payload",
        b"\x1f\x8b\x08\x00" + good[4:]: "is no update payload",
        good[:15]: "is cut short within its header",
        good[:11] + b"\x02" + good[12:]: "has payload version 2",
        good[:-1]: "is cut short",
        good + b"\0": "has 1 bytes after its signatures",
        good[:100]: "is longer than the file",
    }.items():
        with pytest.raises(VerifyError, match=message):
            check(data)


def test_a_missing_file_is_an_error_that_names_it(tmp_path, key):
    with pytest.raises(VerifyError, match="gone cannot be read"):
        verify_payload(tmp_path / "gone", key.public)


def test_the_signature_must_be_by_the_key_and_as_the_version_that_update_engine_reads(tmp_path):
    facts = payload_of(tmp_path, prose(8192), "one", "two")
    verify_payload(facts.path, payload_key(tmp_path, "two").public)
    with pytest.raises(VerifyError, match="signed by this key, but not as version 2"):
        verify_payload(facts.path, payload_key(tmp_path, "one").public)
    with pytest.raises(VerifyError, match=r"no signature of .* is by this key"):
        verify_payload(facts.path, payload_key(tmp_path, "three").public)


def test_signatures_of_another_size_or_version_are_refused(check, key, tmp_path):
    good = signed(key, [ONE, TWO], BLOBS, IMAGE)
    body, raw = good[:-264], good[-256:]
    with pytest.raises(VerifyError, match="no signature of version 2"):
        check(body + encode_signatures((Signature(1, raw),)))
    short = encode_signatures((Signature(2, raw[:-3]),))
    with pytest.raises(VerifyError, match="is no RSA-2048 one"):
        check(body + short + b"\x10\x80\x00")
    with pytest.raises(VerifyError, match=r"signatures of .* are broken"):
        check(body + b"\xff" * 264)


def test_no_single_changed_byte_passes(check, key):
    image = prose(4096)
    blob = bz2.compress(image)
    good = signed(key, [operation(blob)], blob, image)
    check(good)
    for at in range(len(good)):
        for mask in (0x01, 0x80):
            bad = good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :]
            with pytest.raises(VerifyError):
                check(bad)


def test_random_damage_is_a_verify_error_or_harmless_never_another_one(check, key):
    rng = random.Random(1)
    good = signed(key, [ONE, TWO], BLOBS, IMAGE)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(min(len(data), 300))
            data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        if bytes(data) == good:
            continue
        with pytest.raises(VerifyError):
            check(bytes(data))
        try:
            check(bytes(data), None)
        except VerifyError:
            continue


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 1 << 40])
def test_a_manifest_length_that_lies_allocates_nothing(check, length):
    with pytest.raises(VerifyError, match="longer than the file"):
        check(HEADER.pack(MAGIC, 1, length) + b"x" * 100)


def test_a_manifest_that_fills_a_giant_sparse_file_is_refused_unread(tmp_path, key):
    path = tmp_path / "sparse.gz"
    with path.open("wb") as stream:
        stream.write(HEADER.pack(MAGIC, 1, 1 << 35))
        stream.truncate((1 << 35) + 1000)
    tracemalloc.start()
    with pytest.raises(VerifyError, match="larger than any image needs"):
        verify_payload(path, key.public)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_manifest_of_millions_of_operations_is_refused_within_bounds(check):
    manifest = b"\x0a\x02\x08\x00" * (4 << 20)
    tracemalloc.start()
    with pytest.raises(VerifyError, match="more than 65536 values"):
        check(HEADER.pack(MAGIC, 1, len(manifest)) + manifest)
    assert tracemalloc.get_traced_memory()[1] < 128 << 20
    tracemalloc.stop()


def test_a_bzip2_bomb_is_stopped_at_the_size_of_its_extent(check, key):
    bomb = bz2.compress(bytes(64 << 20))
    data = signed(key, [operation(bomb)], bomb, bytes(MIB))
    tracemalloc.start()
    with pytest.raises(VerifyError, match="holds more than its extent takes"):
        check(data)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_payload_is_told_from_other_files(tmp_path):
    facts = payload_of(tmp_path, b"")
    assert is_payload(facts.path)
    assert not is_payload(tmp_path / "image.raw")
    assert read_payload(facts.path).signed_size == facts.size - 264


def test_a_payload_just_written_is_checked_without_unpacking_it(tmp_path, key):
    facts = payload_of(tmp_path, prose(3 * MIB))
    check_written(facts.path, key.public, facts.image_sha256)
    with pytest.raises(VerifyError, match="another image"):
        check_written(facts.path, key.public, "00" * 32)
    data = bytearray(facts.path.read_bytes())
    data[-400] ^= 1
    facts.path.write_bytes(data)
    with pytest.raises(VerifyError):
        check_written(facts.path, key.public, facts.image_sha256)

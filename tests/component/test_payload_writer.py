import hashlib
import os
import tracemalloc

import pytest

from sysextlib.errors import OutputError, PayloadError
from sysextlib.payload.verify import verify_payload
from sysextlib.payload.writer import write_payload
from sysextlib.progress import Silent
from tests.builders.payload import noise, payload_key, payload_of, prose

MIB = 1 << 20
MIXED = (prose, MIB), (noise, MIB), (bytes, MIB), (prose, 12288)

# SHA-256 of what update_engine's delta_generator (commit 7382641) wrote for these images and keys.
GOLDEN = [
    ("empty", [], ["one"], "39c5c3992af5883a5553d9d51b5215ee63be43c2a843a63444f39f4cc3d9aa42"),
    (
        "one block",
        [(prose, 4096)],
        ["one"],
        "ea5ccc7d1f667a0259002dc5d7eba2a0a9baa26418b10365990fa5230a958b35",
    ),
    (
        "incompressible",
        [(noise, MIB + 8192)],
        ["one"],
        "8f88b4eadc585ad5b957d11aeabdac21c0864882f1e34b464e5b8fdfc64f45e4",
    ),
    (
        "zeros",
        [(bytes, 3 * MIB + 4096)],
        ["one"],
        "1da3773489bddf29fbdd97994c543e41f7cfd25e8147022f6c1970d263731fca",
    ),
    (
        "whole chunks",
        [(prose, 2 * MIB)],
        ["one"],
        "cfaaa7df2b9adbce2adc57961c71eca3f59a0d0e8f2c17f4a9dc8633d89f4e97",
    ),
    (
        "mixed",
        MIXED,
        ["one"],
        "46b072b8a2c0098bce53312643d81837d84687f40cff6478af6ec85ebedb102b",
    ),
    (
        "two keys",
        MIXED,
        ["one", "two"],
        "5e45e4d3539bdaa1e043607fa8e265ca74c4eb240621c8012250a2d9a9830e43",
    ),
    (
        "three keys",
        MIXED,
        ["one", "two", "three"],
        "8543620044211cf7bd8675cfde7d286ccc90b44ad0097fa648bb287eeac497e6",
    ),
]


@pytest.mark.parametrize(
    ("parts", "keys", "digest"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN]
)
def test_the_bytes_are_those_of_delta_generator(tmp_path, parts, keys, digest):
    image = b"".join(make(size) for make, size in parts)
    facts = payload_of(tmp_path, image, *keys)
    assert hashlib.sha256(facts.path.read_bytes()).hexdigest() == digest


def test_the_facts_describe_the_file_and_the_image(tmp_path):
    image = prose(MIB) + noise(MIB)
    facts = payload_of(tmp_path, image)
    data = facts.path.read_bytes()
    assert facts.size == len(data)
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert facts.sha1 == hashlib.sha1(data).hexdigest()
    assert facts.image_size == len(image)
    assert facts.image_sha256 == hashlib.sha256(image).hexdigest()
    assert (facts.operations, facts.compressed) == (2, 1)
    assert facts.keys == (payload_key(tmp_path).public.fingerprint,)


def test_the_number_of_jobs_does_not_change_the_bytes(tmp_path):
    image = b"".join(prose(MIB)[n:] + noise(n, str(n)) for n in range(0, 9 * 4096, 4096))
    one = payload_of(tmp_path, image, jobs=1)
    assert payload_of(tmp_path, image, jobs=7).sha256 == one.sha256


def test_what_was_written_passes_every_check(tmp_path):
    facts = payload_of(tmp_path, prose(MIB) + noise(MIB) + prose(8192))
    verified = verify_payload(facts.path, payload_key(tmp_path).public, jobs=2)
    assert verified.image_sha256 == facts.image_sha256
    assert verified.key == facts.keys[0]


def test_an_image_that_is_not_whole_blocks_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(PayloadError, match="no multiple of 4096"):
        payload_of(tmp_path, bytes(4097))
    assert not (tmp_path / "payload.gz").exists()


def test_an_image_larger_than_the_format_holds_is_refused_before_it_is_read(tmp_path):
    image = tmp_path / "image.raw"
    with image.open("wb") as stream:
        stream.truncate((64 << 30) + 4096)
    with pytest.raises(PayloadError, match="too large"):
        write_payload(image, tmp_path / "out", [payload_key(tmp_path)], jobs=1, progress=Silent())


@pytest.mark.parametrize("count", [0, 4])
def test_a_number_of_keys_that_no_client_takes_is_refused(tmp_path, count):
    (tmp_path / "image.raw").write_bytes(b"")
    keys = [payload_key(tmp_path)] * count
    with pytest.raises(PayloadError, match="1 to 3 keys"):
        write_payload(tmp_path / "image.raw", tmp_path / "out", keys, jobs=1, progress=Silent())


def test_a_folder_that_is_gone_is_an_error_about_the_output(tmp_path):
    (tmp_path / "image.raw").write_bytes(bytes(4096))
    with pytest.raises(OutputError, match=r"cannot be written"):
        write_payload(
            tmp_path / "image.raw",
            tmp_path / "gone" / "out",
            [payload_key(tmp_path)],
            jobs=1,
            progress=Silent(),
        )


def test_a_full_disk_is_an_error_and_leaves_no_half_file(tmp_path):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full")
    out = tmp_path / "out"
    out.symlink_to("/dev/full")
    (tmp_path / "image.raw").write_bytes(noise(MIB))
    with pytest.raises(OutputError) as caught:
        write_payload(
            tmp_path / "image.raw", out, [payload_key(tmp_path)], jobs=1, progress=Silent()
        )
    assert caught.value.facts["reason"] == "No space left on device"
    assert not out.is_symlink()


def test_progress_reaches_the_size_of_the_image(tmp_path):
    seen = []

    class Watch(Silent):
        def advance(self, done, total):
            seen.append((done, total))

    (tmp_path / "image.raw").write_bytes(prose(MIB + 4096))
    write_payload(
        tmp_path / "image.raw",
        tmp_path / "out",
        [payload_key(tmp_path)],
        jobs=2,
        progress=Watch(),
    )
    assert seen == [(MIB, MIB + 4096), (MIB + 4096, MIB + 4096)]


def test_memory_does_not_grow_with_the_image(tmp_path):
    image = tmp_path / "image.raw"
    with image.open("wb") as stream:
        stream.truncate(96 * MIB)
    key = payload_key(tmp_path)
    tracemalloc.start()
    write_payload(image, tmp_path / "out", [key], jobs=2, progress=Silent())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 * MIB

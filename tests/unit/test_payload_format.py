import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysextlib.payload.format import (
    MAX_OPERATIONS,
    Extent,
    FormatError,
    Info,
    Operation,
    PayloadManifest,
    Signature,
    decode_manifest,
    decode_signatures,
    encode_manifest,
    encode_signatures,
)

NUMBERS = st.integers(0, 2**64 - 1)
EXTENTS = st.builds(Extent, st.none() | NUMBERS, st.none() | NUMBERS)
OPERATIONS = st.builds(
    Operation,
    st.integers(0, 3),
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | st.integers(0, 2**32 - 1),
    st.lists(EXTENTS, max_size=3).map(tuple),
    st.none() | st.binary(max_size=40),
)
MANIFESTS = st.builds(
    PayloadManifest,
    operations=st.lists(OPERATIONS, max_size=4).map(tuple),
    noops=st.lists(OPERATIONS, max_size=2).map(tuple),
    block_size=st.none() | st.integers(0, 2**32 - 1),
    signatures_offset=st.none() | NUMBERS,
    signatures_size=st.none() | NUMBERS,
    new=st.none() | st.builds(Info, st.none() | NUMBERS, st.none() | st.binary(max_size=40)),
)


@given(MANIFESTS)
def test_a_manifest_is_read_back_as_it_was_written(manifest):
    assert decode_manifest(encode_manifest(manifest)) == manifest


@given(st.lists(st.builds(Signature, NUMBERS.map(lambda n: n >> 32), st.binary()), max_size=4))
def test_signatures_are_read_back_as_they_were_written(signatures):
    assert decode_signatures(encode_signatures(tuple(signatures))) == tuple(signatures)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_format_error(data):
    try:
        decode_manifest(data)
    except FormatError:
        return


def test_zeros_are_written_out_since_ue_rs_wants_them():
    operation = Operation(0, 0, 0, (Extent(0, 1),))
    encoded = encode_manifest(PayloadManifest(operations=(operation,)))
    assert encoded.hex(" ") == "0a 0c 08 00 10 00 18 00 32 04 08 00 10 01 18 80 20"


def test_an_absent_zero_is_told_from_a_written_one():
    manifest = decode_manifest(bytes.fromhex("0a 06 08 00 32 02 10 01"))
    assert manifest.operations == (Operation(0, None, None, (Extent(None, 1),)),)


def test_unknown_fields_are_skipped():
    fields = "a0 06 01 a9 06 0000000000000000 ad 06 00000000 a2 06 01 78"
    assert decode_manifest(bytes.fromhex(fields)).operations == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0a", "cut short"),
        ("0a 05 08 00", "cut short"),
        ("18 ff ff ff ff ff ff ff ff ff 02", "longer than 64 bits"),
        ("18 ff ff ff ff ff ff ff ff ff ff 01", "longer than 64 bits"),
        ("18 ff ff ff ff 1f", "does not fit into 32 bits"),
        ("1a 01 00", "field 3 is no number"),
        ("08 01", "field 1 is a number"),
        ("0b", "wire type 3"),
        ("02 00", "field number 0"),
        ("0a 00", "without a type"),
        ("4a 00 4a 00", "field 9 occurs 2 times"),
    ],
)
def test_a_broken_manifest_is_refused_with_the_reason(data, reason):
    with pytest.raises(FormatError, match=reason):
        decode_manifest(bytes.fromhex(data))


def test_more_operations_than_any_image_needs_are_refused_before_they_are_kept():
    with pytest.raises(FormatError, match="more than 65536"):
        decode_manifest(b"\x0a\x02\x08\x00" * (MAX_OPERATIONS + 1))

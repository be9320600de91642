import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysextlib.errors import VerifyError
from sysextlib.image.der import DerError, Reader, encode, encode_integer, encode_oid
from sysextlib.image.signature import (
    read_partition,
    read_signed_data,
    sign_detached,
    signature_partition,
    verify_detached,
)
from tests.builders.keys import signing_key

ROOT = bytes(range(32))
CONTENT = ROOT.hex().encode()


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_a_signature_fits_its_content_and_certificate(kind):
    key = signing_key(kind)
    verify_detached(sign_detached(CONTENT, key), CONTENT, key.certificate)


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_equal_inputs_give_equal_signatures(kind):
    key = signing_key(kind)
    assert sign_detached(CONTENT, key) == sign_detached(CONTENT, key)


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_other_content_is_refused(kind):
    key = signing_key(kind)
    with pytest.raises(VerifyError, match="does not fit the root hash"):
        verify_detached(sign_detached(CONTENT, key), CONTENT[::-1], key.certificate)


@pytest.mark.parametrize("other", ["rsa", "p256"])
def test_another_key_with_equal_names_is_refused(other):
    signature = sign_detached(CONTENT, signing_key())
    with pytest.raises(VerifyError):
        verify_detached(signature, CONTENT, signing_key(other, 1).certificate)


def test_partition_holds_compact_json_padded_to_16_kib():
    data = signature_partition(ROOT, signing_key())
    assert len(data) == 16384
    found = json.loads(data.rstrip(b"\0"))
    assert list(found) == ["rootHash", "certificateFingerprint", "signature"]
    assert found["rootHash"] == ROOT.hex()
    assert b" " not in data
    assert read_partition(data).pkcs7 == sign_detached(CONTENT, signing_key())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(16384),
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"rootHash":"00","signature":"?"}',
        b'{"rootHash":1,"signature":""}',
        b'{"rootHash":"00","signature":""}\0x',
        b"[" * 16384,
        b"\xff\xfe",
    ],
)
def test_a_partition_that_is_not_our_json_is_refused(data):
    with pytest.raises(VerifyError, match="signature partition cannot be read"):
        read_partition(data)


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_each_single_changed_byte_outside_the_certificate_is_refused(kind):
    key = signing_key(kind)
    good = sign_detached(CONTENT, key)
    embedded = read_signed_data(good).certificates[0]
    start = good.index(embedded)
    for at in (*range(start), *range(start + len(embedded), len(good))):
        bad = bytearray(good)
        bad[at] ^= 1
        with pytest.raises(VerifyError):
            verify_detached(bytes(bad), CONTENT, key.certificate)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    with pytest.raises(VerifyError):
        read_signed_data(data)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_an_element_of_any_length_reads_back(size):
    reader = Reader(encode(0x04, bytes(size)))
    assert reader.take(0x04) == bytes(size)
    assert reader.at_end


@pytest.mark.parametrize(
    "data",
    [b"", b"\x04", b"\x04\x01", b"\x04\x81\x01a", b"\x04\x80", b"\x04\x85\1\1\1\1\1", b"\x05\0"],
)
def test_what_is_not_der_is_refused(data):
    with pytest.raises(DerError):
        Reader(data).take(0x04)


def test_known_encodings():
    assert encode_oid("1.2.840.113549.1.7.2").hex() == "06092a864886f70d010702"
    assert encode_integer(128).hex() == "02020080"
    assert encode_integer(0).hex() == "020100"

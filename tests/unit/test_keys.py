import base64
import datetime
import os
import threading

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sysextlib.errors import SigningKeyError
from sysextlib.image.keys import (
    load_certificate,
    load_signing_key,
    make_signing_key,
    parse_certificate,
)
from tests.builders.keys import certificate, private_key, write_pair


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_a_pair_is_read(tmp_path, kind):
    key = private_key(kind)
    made = certificate(key)
    found = load_signing_key(write_pair(tmp_path, key, made))
    assert found.certificate == made
    assert found.key.public_key() == key.public_key()
    assert found.fingerprint == found.fingerprint.lower()
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize("kind", ["ed25519", "p521"])
def test_a_key_that_systemd_cannot_use_is_refused(tmp_path, kind):
    key = private_key(kind)
    write_pair(tmp_path, key, certificate(key))
    with pytest.raises(SigningKeyError, match="systemd cannot use") as caught:
        load_signing_key(tmp_path)
    assert "RSA" in caught.value.hint


def test_a_certificate_of_another_key_is_refused(tmp_path):
    write_pair(tmp_path, private_key(), certificate(private_key("rsa", 1)))
    with pytest.raises(SigningKeyError, match="do not belong together"):
        load_signing_key(tmp_path)


@pytest.mark.parametrize(("year", "fits"), [(2019, False), (2025, True), (2200, False)])
def test_a_certificate_that_is_not_valid_today_is_refused(tmp_path, year, fits):
    write_pair(tmp_path, private_key(), certificate(private_key()))
    now = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    if fits:
        assert load_signing_key(tmp_path, now=now)
    else:
        with pytest.raises(SigningKeyError, match="not valid today"):
            load_signing_key(tmp_path, now=now)


def test_an_encrypted_key_is_refused(tmp_path):
    write_pair(tmp_path, private_key(), certificate(private_key()), password=b"secret")
    with pytest.raises(SigningKeyError, match="encrypted"):
        load_signing_key(tmp_path)


@pytest.mark.parametrize("name", ["sysexts.key", "sysexts.crt"])
def test_a_missing_file_is_named(tmp_path, name):
    write_pair(tmp_path, private_key(), certificate(private_key()))
    (tmp_path / name).unlink()
    with pytest.raises(SigningKeyError, match=f"no {name}") as caught:
        load_signing_key(tmp_path)
    assert "SYSEXT_SIGNING_KEY_DIR" in caught.value.hint


JUNK = [
    b"",
    b"\0" * 100,
    b"hello",
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["sysexts.key", "sysexts.crt"])
def test_garbage_is_refused(tmp_path, name, junk):
    write_pair(tmp_path, private_key(), certificate(private_key()))
    (tmp_path / name).write_bytes(junk)
    with pytest.raises(SigningKeyError, match="cannot be read"):
        load_signing_key(tmp_path)


def test_key_and_certificate_in_each_others_place_are_refused(tmp_path):
    write_pair(tmp_path, private_key(), certificate(private_key()))
    key, made = tmp_path / "sysexts.key", tmp_path / "sysexts.crt"
    swapped = key.read_bytes(), made.read_bytes()
    made.write_bytes(swapped[0])
    key.write_bytes(swapped[1])
    with pytest.raises(SigningKeyError, match="cannot be read"):
        load_signing_key(tmp_path)


def test_a_folder_or_endless_file_in_the_place_of_a_key_is_refused(tmp_path):
    write_pair(tmp_path, private_key(), certificate(private_key()))
    (tmp_path / "sysexts.key").unlink()
    (tmp_path / "sysexts.key").symlink_to("/dev/zero")
    with pytest.raises(SigningKeyError, match="too large"):
        load_signing_key(tmp_path)
    (tmp_path / "sysexts.key").unlink()
    (tmp_path / "sysexts.key").mkdir()
    with pytest.raises(SigningKeyError, match="cannot be read"):
        load_signing_key(tmp_path)


def test_no_secret_is_in_the_text_of_a_key(tmp_path):
    write_pair(tmp_path, private_key(), certificate(private_key()))
    assert "key=" not in repr(load_signing_key(tmp_path))


def test_a_made_pair_is_whole_and_private(tmp_path):
    old = os.umask(0)
    try:
        made = make_signing_key(tmp_path / "a/keys", "our key", bits=2048)
    finally:
        os.umask(old)
    folder = tmp_path / "a/keys"
    assert (folder / "sysexts.key").stat().st_mode & 0o777 == 0o600
    assert load_signing_key(folder).fingerprint == made.fingerprint
    assert load_certificate(folder / "sysexts.crt").subject.rfc4514_string() == "CN=our key"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["keys"]


def test_a_pair_that_is_there_is_read_and_not_replaced(tmp_path):
    first = make_signing_key(tmp_path / "keys", "our key", bits=2048)
    assert make_signing_key(tmp_path / "keys", "other", bits=2048).fingerprint == first.fingerprint


def test_half_a_pair_is_not_overwritten(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/sysexts.key").write_text("precious")
    with pytest.raises(SigningKeyError):
        make_signing_key(tmp_path / "keys", "our key", bits=2048)
    assert (tmp_path / "keys/sysexts.key").read_text() == "precious"


def test_what_a_killed_run_left_is_removed(tmp_path):
    (tmp_path / ".keys.new-abc").mkdir()
    make_signing_key(tmp_path / "keys", "our key", bits=2048)
    assert not (tmp_path / ".keys.new-abc").exists()


def test_several_at_once_agree_on_one_pair(tmp_path):
    found = []

    def make() -> None:
        found.append(make_signing_key(tmp_path / "keys", "our key", bits=2048).fingerprint)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_place_that_cannot_hold_keys_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SigningKeyError, match="no signing key can be made"):
        make_signing_key(tmp_path / "file/keys", "our key", bits=2048)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a003020102", "a003020142"),  # version 3 -> 67
        ("2a864886f70d010101", "2a864886f70d010163"),  # rsaEncryption -> an unknown key
        ("0603550403", "0603550499"),  # commonName -> an OID that is cut short
    ],
)
def test_a_certificate_that_is_read_in_parts_is_refused_at_once(tmp_path, old, new):
    der = certificate(private_key()).public_bytes(Encoding.DER)
    assert bytes.fromhex(old) in der
    bad = der.replace(bytes.fromhex(old), bytes.fromhex(new), 1)
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        parse_certificate(bad)
    pem = base64.encodebytes(bad)
    path = tmp_path / "x.crt"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + pem + b"-----END CERTIFICATE-----\n")
    with pytest.raises(SigningKeyError, match="certificate cannot be read"):
        load_certificate(path)

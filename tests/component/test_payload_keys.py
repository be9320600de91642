import stat
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sysextlib.errors import SigningKeyError
from sysextlib.payload.keys import (
    PRIVATE_NAME,
    PUBLIC_NAME,
    load_or_make_payload_key,
    load_payload_key,
    load_payload_public_key,
)
from tests.builders.payload import key_pem, payload_key, public_pem


def pem(key, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


def test_private_and_public_half_have_one_fingerprint(tmp_path):
    key = payload_key(tmp_path)
    (tmp_path / "pub").write_bytes(public_pem(key))
    assert load_payload_public_key(tmp_path / "pub").fingerprint == key.public.fingerprint
    assert load_payload_public_key(tmp_path / "key-one.pem") == key.public


def test_the_traditional_form_of_a_key_is_read_too(tmp_path):
    key = payload_key(tmp_path)
    (tmp_path / "old").write_bytes(
        key.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    assert load_payload_key(tmp_path / "old") == key


WRONG = {
    "garbage": (lambda: b"\0garbage", "is no private key"),
    "empty": (lambda: b"", "is no private key"),
    "public only": (
        lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "is no private key",
    ),
    "cut short": (lambda: key_pem()[:500], "is no private key"),
    "elliptic curve": (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "is not RSA"),
    "1024 bits": (lambda: key_pem("small", 1024), "has 1024 bits, not 2048"),
    "4096 bits": (lambda: pem(rsa.generate_private_key(65537, 4096)), "has 4096 bits, not 2048"),
    "encrypted": (
        lambda: pem(
            ec.generate_private_key(ec.SECP256R1()),
            serialization.BestAvailableEncryption(b"secret"),
        ),
        "is encrypted",
    ),
    "huge": (lambda: b"-" * 100_000, "is larger than"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_rsa_2048_key_is_refused_with_the_reason(tmp_path, case):
    make, reason = WRONG[case]
    (tmp_path / "key").write_bytes(make())
    with pytest.raises(SigningKeyError, match=reason):
        load_payload_key(tmp_path / "key")


def test_an_error_about_a_key_never_shows_what_could_be_the_key(tmp_path):
    (tmp_path / "key").write_bytes(b"MIIEvQIBADANBgkqh secret\n")
    with pytest.raises(SigningKeyError) as caught:
        load_payload_key(tmp_path / "key")
    assert "secret" not in str(caught.value)
    assert "MIIE" not in str(caught.value)


def test_a_missing_key_and_a_public_garbage_are_errors_that_name_the_file(tmp_path):
    with pytest.raises(SigningKeyError, match="gone cannot be read"):
        load_payload_key(tmp_path / "gone")
    (tmp_path / "pub").write_bytes(b"garbage")
    with pytest.raises(SigningKeyError, match="pub is no public key"):
        load_payload_public_key(tmp_path / "pub")


def test_a_key_is_made_once_readable_by_its_owner_only(tmp_path):
    key, made = load_or_make_payload_key(tmp_path / "keys")
    again, made_again = load_or_make_payload_key(tmp_path / "keys")
    assert (made, made_again) == (True, False)
    assert again == key
    assert stat.S_IMODE((tmp_path / "keys" / PRIVATE_NAME).stat().st_mode) == 0o600
    assert load_payload_public_key(tmp_path / "keys" / PUBLIC_NAME) == key.public
    assert sorted(p.name for p in (tmp_path / "keys").iterdir()) == [PRIVATE_NAME, PUBLIC_NAME]


def test_builds_that_make_a_key_at_the_same_time_end_with_the_same(tmp_path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load_or_make_payload_key(tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.public.fingerprint for key, _ in found}) == 1
    assert sum(made for _, made in found) == 1


def test_an_unusable_key_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / PRIVATE_NAME).write_bytes(b"garbage")
    with pytest.raises(SigningKeyError, match="is no private key"):
        load_or_make_payload_key(tmp_path)
    assert (tmp_path / PRIVATE_NAME).read_bytes() == b"garbage"


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SigningKeyError):
        load_or_make_payload_key(tmp_path / "file" / "keys")

"""Signatures of kernel modules, made by openssl as the kernel's sign-file makes them."""

from pathlib import Path

import pytest

from sysextlib.check.kernel_modules import check_kernel_modules
from sysextlib.system.run import run
from sysextlib.tree import Tree, file_entry
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.kmod import KERNEL, module, signed
from tests.builders.needs import require_tool

pytestmark = pytest.mark.tool
PATH = f"usr/lib/modules/{KERNEL}/extra/a.ko"


class Base:
    tree = Tree()

    def read(self, path: str) -> bytes | None:
        return None


def pair(folder: Path, number: int) -> Path:
    key = private_key("rsa", number)
    return write_pair(folder, key, certificate(key, name=f"module key {number}"))


def sign(data: bytes, keys: Path, scratch: Path) -> bytes:
    require_tool("openssl")
    content, out = scratch / "content", scratch / "sig"
    content.write_bytes(data)
    run(["openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-outform", "DER",
         "-md", "sha256", "-signer", keys / "sysexts.crt", "-inkey", keys / "sysexts.key",
         "-in", content, "-out", out])  # fmt: skip
    return signed(data, out.read_bytes())


def told(data: bytes, key: Path) -> list[str]:
    tree = Tree([file_entry(PATH, data)])
    return [f"{one.code}: {one.message}" for one in check_kernel_modules(tree, Base(), key)]


def test_a_signature_of_the_key_is_fine(tmp_path):
    keys = pair(tmp_path / "k", 1)
    assert told(sign(module("a"), keys, tmp_path), keys / "sysexts.crt") == []


def test_a_signature_of_another_key_is_refused(tmp_path):
    keys, other = pair(tmp_path / "k", 1), pair(tmp_path / "o", 2)
    (said,) = told(sign(module("a"), other, tmp_path), keys / "sysexts.crt")
    assert said.startswith("kernel-module-signature: its signature is not that of the key")


def test_a_module_that_was_changed_after_it_was_signed_is_refused(tmp_path):
    keys = pair(tmp_path / "k", 1)
    data = bytearray(sign(module("a"), keys, tmp_path))
    data[data.index(b"license=GPL") + 8] ^= 1
    assert len(told(bytes(data), keys / "sysexts.crt")) == 1


def test_an_unsigned_module_and_a_signature_that_is_none_are_refused(tmp_path):
    keys = pair(tmp_path / "k", 1)
    assert told(module("a"), keys / "sysexts.crt") == ["kernel-module-signature: it is not signed"]
    (said,) = told(signed(module("a"), b"nonsense"), keys / "sysexts.crt")
    assert "not that of the key" in said

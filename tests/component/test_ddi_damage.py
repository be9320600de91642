"""Images that were changed after they were written: what is wrong is found, and named."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.definition import Compression
from sysextlib.errors import SysextError, VerifyError
from sysextlib.image import erofs_reader
from sysextlib.image.ddi import DdiFacts, read_ddi
from sysextlib.image.inspect import inspect_image
from sysextlib.image.verify import verify_ddi
from sysextlib.system.tools import Tools
from sysextlib.tree import Tree, file_entry
from tests.builders.images import extension, signed, write_image
from tests.builders.keys import signing_key
from tests.builders.tools import image_tools
from tests.builders.tree import every_kind, noise, release_only

pytestmark = pytest.mark.tool


@pytest.fixture
def tools() -> Tools:
    return image_tools("mkfs.erofs", "fsck.erofs")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> DdiFacts:
    out = tmp_path_factory.mktemp("sample") / "x.raw"
    return write_image(every_kind(), out, compression=Compression.NONE)


def damaged(sample: DdiFacts, out: Path, at: int, bits: int = 1) -> Path:
    data = bytearray(sample.path.read_bytes())
    data[at] ^= bits
    out.write_bytes(data)
    return out


def resealed(sample: DdiFacts, out: Path, at: int, new: bytes) -> Path:
    """Change bytes of the partition entries in both copies, and make their checksums fit."""
    data = bytearray(sample.path.read_bytes())
    for table, header in ((1024, 512), (len(data) - 33 * 512, len(data) - 512)):
        data[table + at : table + at + len(new)] = new
        crc = zlib.crc32(data[table : table + 128 * 128])
        struct.pack_into("<I", data, header + 88, crc)
        struct.pack_into("<I", data, header + 16, 0)
        struct.pack_into("<I", data, header + 16, zlib.crc32(data[header : header + 92]))
    out.write_bytes(data)
    return out


def place(sample: DdiFacts, name: str) -> int:
    """Return the byte of something in the sample image."""
    data, hashes, sign = sample.partitions
    text = sample.path.read_bytes()[sign.offset :]
    places = {
        "protective MBR": 511,
        "GPT header": 512 + 40,
        "GPT entry": 1024 + 60,
        "backup header": sample.size - 512 + 24,
        "backup entries": sample.size - 33 * 512 + 5,
        "gap": 34 * 512 + 9,
        "end gap": sign.offset + sign.size,
        "superblock of the file system": data.offset + 1024,
        "first data": data.offset,
        "last data": data.offset + data.size - 1,
        "verity superblock": hashes.offset + 2,
        "salt": hashes.offset + 88 + 3,
        "hash tree": hashes.offset + 4096 + 40,
        "JSON": sign.offset,
        "root hash in JSON": sign.offset + text.index(b'rootHash":"') + 14,
        "fingerprint": sign.offset + text.index(b'Fingerprint":"') + 20,
        "signature": sign.offset + text.index(b'"}\0') - 20,
        "padding": sign.offset + sign.size - 1,
    }
    return places[name]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("protective MBR", "protective MBR"),
        ("GPT header", "first header"),
        ("GPT entry", "first copy"),
        ("backup header", "second header"),
        ("backup entries", "second copy"),
        ("gap", "outside of the partitions"),
        ("end gap", "outside of the partitions"),
        ("superblock of the file system", "do not match their hash"),
        ("first data", "do not match their hash"),
        ("last data", "do not match their hash"),
        ("verity superblock", "no superblock"),
        ("salt", "hash tree"),
        ("hash tree", "hash tree"),
        ("JSON", "signature partition"),
        ("root hash in JSON", "signed root hash"),
        ("fingerprint", "another certificate"),
        ("signature", "signature"),
        ("padding", "signature partition"),
    ],
)
def test_a_changed_byte_is_found_and_its_place_named(tmp_path, tools, sample, name, fault):
    path = damaged(sample, tmp_path / "y.raw", place(sample, name))
    with pytest.raises(VerifyError, match=fault) as caught:
        verify_ddi(path, tools, certificate=signing_key().certificate)
    assert caught.value.facts["file"] == str(path)


@pytest.mark.parametrize("entry", [0, 1])
def test_a_uuid_that_is_not_the_root_hash_is_found(tmp_path, tools, sample, entry):
    path = resealed(sample, tmp_path / "y.raw", entry * 128 + 16, b"\1" * 16)
    with pytest.raises(VerifyError, match="root hash in the partitions' UUIDs"):
        verify_ddi(path, tools)


def test_a_partition_of_another_type_is_found(tmp_path, tools, sample):
    path = resealed(sample, tmp_path / "y.raw", 0, b"\1" * 16)
    with pytest.raises(VerifyError, match="no signed extension image"):
        verify_ddi(path, tools)


@pytest.mark.slow
def test_no_changed_byte_of_a_small_image_goes_unnoticed(tmp_path, tools):
    """All but what nothing covers: the UUID of the verity superblock."""
    facts = write_image(release_only(), tmp_path / "x.raw", tools)
    _, hashes, sign = facts.partitions
    good = facts.path.read_bytes()
    free = range(hashes.offset + 16, hashes.offset + 32)
    missed = []
    places = {*range(0, facts.size, 97), *range(sign.offset, sign.offset + 3200, 3)}
    places |= set(range(hashes.offset, hashes.offset + 600, 5)) | set(range(512, 1500, 7))
    for at in sorted(places - set(free)):
        bad = bytearray(good)
        bad[at] ^= 4
        (tmp_path / "y.raw").write_bytes(bad)
        try:
            verify_ddi(tmp_path / "y.raw", tools, certificate=signing_key().certificate)
        except VerifyError:
            continue
        missed.append(at)
    assert missed == []


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_cut_image_is_refused(tmp_path, tools, sample, keep):
    path = tmp_path / "y.raw"
    path.write_bytes(sample.path.read_bytes()[: int(sample.size * keep) // 512 * 512])
    with pytest.raises(VerifyError):
        verify_ddi(path, tools)


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (b"hsqs" + bytes(200_000), "a squashfs file system"),
        (bytes(1024) + b"\xe2\xe1\xf5\xe0" + bytes(200_000), "an EROFS file system"),
        (b"\x1f\x8b" + bytes(200_000), "compressed by gzip"),
        (b"CrAU" + bytes(200_000), "an update payload"),
        (b"hello", ""),
    ],
)
def test_another_kind_of_file_is_refused_and_named(tmp_path, tools, data, looks):
    path = tmp_path / "y.raw"
    path.write_bytes(data)
    with pytest.raises(VerifyError) as caught:
        verify_ddi(path, tools)
    assert caught.value.facts.get("looks like", "").startswith(looks)


def test_what_cannot_be_read_is_an_error(tmp_path, tools):
    for path in (tmp_path, tmp_path / "absent", Path("/dev/null")):
        with pytest.raises(VerifyError, match=r"cannot be read|is empty"):
            verify_ddi(path, tools)


@pytest.mark.parametrize("seed", range(40))
def test_a_hostile_file_system_is_an_error_and_not_a_crash(tmp_path, sample, seed):
    """Damage that hashes would have found, shown to the reader alone."""
    data = bytearray(sample.path.read_bytes())
    start = sample.partitions[0].offset
    junk = noise(4000)[seed * 64 : seed * 64 + 64]
    for at in range(0, 64, 4):
        where = start + 1024 + int.from_bytes(junk[at : at + 2], "big") % 6000
        data[where] ^= junk[at + 2] or 1
    path = tmp_path / "y.raw"
    path.write_bytes(data)
    try:
        read_ddi(path).erofs().entries()
    except SysextError:
        return


def test_attributes_that_hard_links_multiply_are_bounded(tmp_path, tools, monkeypatch):
    one = replace(file_entry("usr/one", b"1", mtime=1), xattrs=(("user.x", bytes(900)),))
    names = [replace(one, path=f"usr/{n}", hardlink="a") for n in range(20)]
    path = write_image(Tree(names), tmp_path / "x.raw").path
    assert len(read_ddi(path).erofs().entries()) == 22
    monkeypatch.setattr(erofs_reader, "MOST_TEXT", 10_000)
    with pytest.raises(VerifyError) as refused:
        read_ddi(path).erofs().entries()
    assert "names and attributes" in refused.value.facts["fault"]


def test_a_release_file_that_unpacks_to_very_much_is_not_unpacked(tmp_path):
    tools = image_tools("mkfs.erofs", "dump.erofs")
    path = signed(tmp_path / "x.raw", extension("x", {"ID": "demo", "X": "0" * (2 << 20)}))
    with pytest.raises(VerifyError, match="too large"):
        inspect_image(path, tools)

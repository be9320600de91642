"""Whole images: written, read back, and damaged."""

import os
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.definition import Compression
from sysextlib.errors import ImageError, OutputError, SysextError, ToolError, VerifyError
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import DdiFacts, read_ddi, write_ddi
from sysextlib.image.keys import SigningKey
from sysextlib.image.verify import verify_ddi
from sysextlib.system.tools import Tools
from sysextlib.tree import Content, Entry, Kind, Tree, file_entry
from tests.builders.keys import signing_key
from tests.builders.tools import image_tools
from tests.builders.tree import EPOCH, every_kind, noise, release_only, spooled

pytestmark = pytest.mark.tool
SEED = b"digest of an order"


@pytest.fixture
def tools() -> Tools:
    return image_tools("mkfs.erofs", "fsck.erofs")


def write(
    tree: Tree,
    out: Path,
    tools: Tools,
    *,
    compression: Compression = Compression.LZ4,
    key: SigningKey | None = None,
    arch: Arch = Arch.AMD64,
    **more: object,
) -> DdiFacts:
    return write_ddi(
        tree,
        out,
        arch=arch,
        seed=SEED,
        epoch=EPOCH,
        key=key or signing_key(),
        tools=tools,
        compression=compression,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_every_kind_of_entry_arrives(tmp_path, tools, compression, kind):
    key = signing_key(kind)
    facts = write(every_kind(), tmp_path / "x.raw", tools, compression=compression, key=key)
    found = verify_ddi(facts.path, tools, certificate=key.certificate, tree=every_kind())
    assert found.root_hash == facts.root_hash
    assert found.fingerprint == facts.fingerprint == key.fingerprint
    assert found.trusted
    root = found.entries[0]
    assert (root.path, root.mode, root.uid, root.gid, root.mtime) == ("", 0o755, 0, 0, EPOCH)


@pytest.mark.parametrize("compression", list(Compression))
def test_an_image_of_many_alike_files_holds_each_ones_bytes(tmp_path, tools, compression):
    """Small files whose ends are alike are what erofs-utils 1.8 mixed up; see compression.py."""
    files = {"usr/0": b"".join(b"%08d\n" % n for n in range(20_000))}
    files |= {f"usr/s/{n}": files["usr/0"][n * 9 : n * 9 + 40 + n % 7] for n in range(300)}
    files |= {f"usr/t/{n}": bytes(60 + n) for n in range(100)}
    if compression is Compression.ZSTD:
        files = dict(list(files.items())[:100])
    tree = spooled(files, tmp_path / "spool")
    facts = write(tree, tmp_path / "x.raw", tools, compression=compression)
    verify_ddi(facts.path, tools, tree=tree)


def test_an_empty_extension_is_less_than_100_kb(tmp_path, tools):
    facts = write(release_only(), tmp_path / "x.raw", tools, compression=Compression.LZ4HC)
    assert facts.size == facts.path.stat().st_size < 100_000
    assert facts.size % 4096 == 0


@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129, 300])
def test_images_around_the_edges_of_a_hash_block_verify(tmp_path, tools, blocks):
    tree = Tree([file_entry("usr/a", noise(blocks * 4096))])
    facts = write(tree, tmp_path / "x.raw", tools, compression=Compression.NONE)
    verify_ddi(facts.path, tools, tree=tree)


@pytest.mark.parametrize("arch", list(Arch))
def test_partitions_bear_the_names_of_the_boards_architecture(tmp_path, tools, arch):
    facts = write(release_only(), tmp_path / "x.raw", tools, arch=arch)
    name = f"root-{arch.systemd_name}"
    assert [p.name for p in facts.partitions] == [name, f"{name}-verity", f"{name}-verity-sig"]
    assert read_ddi(facts.path).arch is arch
    assert read_ddi(facts.path).partitions == facts.partitions
    assert facts.partitions[0].first == 40


def test_equal_inputs_give_equal_bytes_wherever_and_however_fast(tmp_path, tools):
    """Scratch folder, output name, threads and time do not reach the bytes."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    tree = spooled({f"usr/{n}": noise(50_000 + n) for n in range(20)}, tmp_path / "spool")
    tree = tree.updated(every_kind())
    one = write(tree, tmp_path / "one/a.raw", tools, compression=Compression.LZ4HC, jobs=1)
    two = write(
        Tree(reversed(list(tree))),
        tmp_path / "two/b.raw",
        tools,
        compression=Compression.LZ4HC,
        jobs=4,
        scratch=tmp_path / "two",
    )
    assert one.sha256 == two.sha256
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["b.raw"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["a.raw"]


def test_another_seed_gives_other_ids_and_salt(tmp_path, tools):
    one = read_ddi(write(release_only(), tmp_path / "a.raw", tools).path)
    other = write_ddi(
        release_only(), tmp_path / "b.raw", arch=Arch.AMD64, seed=b"another", epoch=EPOCH,
        key=signing_key(), tools=tools, compression=Compression.LZ4,
    )  # fmt: skip
    two = read_ddi(other.path)
    ids = [
        (d.disk, d.sign.uuid, d.superblock.uuid, d.superblock.salt, d.erofs().uuid, d.root_hash)
        for d in (one, two)
    ]
    assert not set(ids[0]) & set(ids[1])
    assert len({one.disk, one.sign.uuid, one.superblock.uuid, one.erofs().uuid}) == 4


def test_file_is_replaced_and_not_followed(tmp_path, tools):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "x.raw").symlink_to("precious")
    write(release_only(), tmp_path / "x.raw", tools)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_device_is_refused(tmp_path, tools):
    whiteout = Entry(path="usr/a", kind=Kind.CHARDEV, mode=0, device=(0, 0), origin="x/y-1")
    with pytest.raises(ImageError, match="usr/a is a character device"):
        write(Tree([whiteout]), tmp_path / "x.raw", tools)


def test_hard_links_that_differ_are_refused(tmp_path, tools):
    one = Entry(path="a", kind=Kind.FILE, mode=0o644, content=Content.of(b"x"), hardlink="h")
    with pytest.raises(ImageError, match="a and b are one file"):
        write(Tree([one, replace(one, path="b", mode=0o755)]), tmp_path / "x.raw", tools)


def test_an_unwritable_place_is_an_error(tmp_path, tools):
    with pytest.raises(OutputError):
        write(release_only(), tmp_path / "absent/x.raw", tools)


def test_too_little_room_is_said_before_the_work(tmp_path, tools):
    free = shutil.disk_usage(tmp_path).free
    huge = Content(free * 2, "0" * 64, spool=tmp_path / "absent")
    tree = Tree([Entry(path="usr/a", kind=Kind.FILE, mode=0o644, content=huge)])
    with pytest.raises(OutputError, match="too little room"):
        write(tree, tmp_path / "x.raw", tools)
    assert list(tmp_path.iterdir()) == []


def test_umask_does_not_reach_the_bytes(tmp_path, tools):
    found = set()
    for umask in (0o022, 0o077):
        old = os.umask(umask)
        try:
            facts = write(every_kind(), tmp_path / f"{umask}.raw", tools)
        finally:
            os.umask(old)
        found.add(facts.sha256)
    assert len(found) == 1


def test_options_that_mkfs_refuses_are_shown(tmp_path, tools):
    with pytest.raises(ToolError, match=r"mkfs\.erofs failed"):
        write(release_only(), tmp_path / "x.raw", tools, mkerofs_opts="--no-such")


@pytest.mark.parametrize(
    ("opts", "fault"),
    [("--all-root", "usr/bin/capable: owner"), ("-Eall-fragments", "usr/bin/block: other bytes")],
)
def test_what_mkfs_changes_is_found(tmp_path, tools, opts, fault):
    facts = write(every_kind(), tmp_path / "x.raw", tools, mkerofs_opts=opts)
    with pytest.raises(ImageError, match="does not hold the tree") as caught:
        verify_ddi(facts.path, tools, tree=every_kind())
    assert fault in caught.value.facts["entries"]


def changed(tree: Tree, path: str, **fields: object) -> Tree:
    return tree.updated([replace(tree[path], **fields)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (changed(every_kind(), "usr/bin/plain", mode=0o700), "usr/bin/plain: mode"),
        (changed(every_kind(), "usr/bin/plain", uid=1), "usr/bin/plain: owner"),
        (changed(every_kind(), "usr/bin/plain", mtime=1), "usr/bin/plain: mtime"),
        (changed(every_kind(), "usr/bin/link", target="x"), "usr/bin/link: target"),
        (
            changed(every_kind(), "usr/bin/plain", content=Content.of(b"HELLO\n" * 1000)),
            "usr/bin/plain: other bytes",
        ),
        (
            changed(every_kind(), "usr/share/noise", content=Content.of(b"short")),
            "usr/share/noise: size",
        ),
        (changed(every_kind(), "usr/lib/h1", hardlink=""), "usr/lib/h1: links"),
        (every_kind().without(["usr/lib/pipe"]), "usr/lib/pipe: not in the tree"),
        (every_kind().updated([file_entry("usr/more", b"")]), "usr/more: not in the image"),
    ],
)
@pytest.mark.parametrize("compression", [Compression.NONE, Compression.LZ4HC])
def test_an_image_that_is_not_the_tree_is_found(tmp_path, tools, wanted, fault, compression):
    facts = write(every_kind(), tmp_path / "x.raw", tools, compression=compression)
    with pytest.raises(ImageError) as caught:
        verify_ddi(facts.path, tools, tree=wanted)
    assert fault in caught.value.facts["entries"]


def test_without_a_certificate_the_own_one_is_used_and_said_so(tmp_path, tools):
    facts = write(release_only(), tmp_path / "x.raw", tools)
    found = verify_ddi(facts.path, tools)
    assert not found.trusted
    assert found.signer == "CN=test key"


@pytest.mark.parametrize("other", ["rsa", "p256"])
def test_another_signer_is_refused(tmp_path, tools, other):
    facts = write(release_only(), tmp_path / "x.raw", tools)
    with pytest.raises(VerifyError, match="another"):
        verify_ddi(facts.path, tools, certificate=signing_key(other, 9).certificate)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> DdiFacts:
    out = tmp_path_factory.mktemp("sample") / "x.raw"
    return write(every_kind(), out, image_tools("mkfs.erofs"), compression=Compression.NONE)


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
    facts = write(release_only(), tmp_path / "x.raw", tools)
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


def test_an_ordinary_user_writes_the_same_bytes(tmp_path, tools):
    if os.geteuid() != 0:
        pytest.skip("this user is ordinary: the other tests show it")
    if not os.access(tools.argv("mkfs.erofs")[0], os.X_OK):
        pytest.skip("no tools")
    ours = write(every_kind(), tmp_path / "x.raw", tools, compression=Compression.LZ4HC)
    theirs = Path("/tmp") / f"ddi-other-user-{os.getpid()}"
    theirs.mkdir()
    shutil.copytree(tools.tree or Path("/nonexistent"), theirs / "tree", symlinks=True)
    os.chown(theirs, 65534, 65534)
    try:
        report = theirs / "report"
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                other = Tools.locate(tree=theirs / "tree")
                tree = every_kind()
                facts = write(tree, theirs / "y.raw", other, compression=Compression.LZ4HC)
                verify_ddi(facts.path, other, tree=tree)
                report.write_text(facts.sha256)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert report.read_text() == ours.sha256
    finally:
        shutil.rmtree(theirs)

"""Whole images: written, read back, and damaged."""

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.definition import Compression
from sysextlib.errors import ImageError, OutputError, ToolError, VerifyError
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import read_ddi, write_ddi
from sysextlib.image.verify import verify_ddi
from sysextlib.system.tools import Tools
from sysextlib.tree import Content, Entry, Kind, Tree, file_entry
from tests.builders.images import write_image
from tests.builders.keys import signing_key
from tests.builders.tools import image_tools
from tests.builders.tree import EPOCH, every_kind, noise, release_only, spooled

pytestmark = pytest.mark.tool


@pytest.fixture
def tools() -> Tools:
    return image_tools("mkfs.erofs", "fsck.erofs")


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_every_kind_of_entry_arrives(tmp_path, tools, compression, kind):
    key = signing_key(kind)
    facts = write_image(every_kind(), tmp_path / "x.raw", tools, compression=compression, key=key)
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
    facts = write_image(tree, tmp_path / "x.raw", tools, compression=compression)
    verify_ddi(facts.path, tools, tree=tree)


@pytest.mark.parametrize("compression", [Compression.LZ4HC, Compression.ZSTD])
def test_small_files_whose_last_piece_cannot_be_compressed_keep_their_bytes(
    tmp_path, tools, compression
):
    """With ztailpacking, mkfs.erofs gives the last of some of these trees other bytes."""
    for seed in range(4):
        chance = random.Random(seed)
        contents = [
            chance.randbytes(chance.randrange(1, 4000))
            if number % 2
            else b"text %d " % number * chance.randrange(1, 400)
            for number in range(chance.randrange(30, 90))
        ]
        files = [file_entry(f"usr/f{at}", data, mtime=EPOCH) for at, data in enumerate(contents)]
        tree = Tree([*release_only(), *files])
        facts = write_image(tree, tmp_path / f"{seed}.raw", tools, compression=compression)
        verify_ddi(facts.path, tools, tree=tree)


def test_an_empty_extension_is_less_than_100_kb(tmp_path, tools):
    facts = write_image(release_only(), tmp_path / "x.raw", tools, compression=Compression.LZ4HC)
    assert facts.size == facts.path.stat().st_size < 100_000
    assert facts.size % 4096 == 0


@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129, 300])
def test_images_around_the_edges_of_a_hash_block_verify(tmp_path, tools, blocks):
    tree = Tree([file_entry("usr/a", noise(blocks * 4096))])
    facts = write_image(tree, tmp_path / "x.raw", tools, compression=Compression.NONE)
    verify_ddi(facts.path, tools, tree=tree)


@pytest.mark.parametrize("arch", list(Arch))
def test_partitions_bear_the_names_of_the_boards_architecture(tmp_path, tools, arch):
    facts = write_image(release_only(), tmp_path / "x.raw", tools, arch=arch)
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
    one = write_image(tree, tmp_path / "one/a.raw", tools, compression=Compression.LZ4HC, jobs=1)
    two = write_image(
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
    one = read_ddi(write_image(release_only(), tmp_path / "a.raw", tools).path)
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
    write_image(release_only(), tmp_path / "x.raw", tools)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_device_is_refused(tmp_path, tools):
    whiteout = Entry(path="usr/a", kind=Kind.CHARDEV, mode=0, device=(0, 0), origin="x/y-1")
    with pytest.raises(ImageError, match="usr/a is a character device"):
        write_image(Tree([whiteout]), tmp_path / "x.raw", tools)


def test_hard_links_that_differ_are_refused(tmp_path, tools):
    one = Entry(path="a", kind=Kind.FILE, mode=0o644, content=Content.of(b"x"), hardlink="h")
    with pytest.raises(ImageError, match="a and b are one file"):
        write_image(Tree([one, replace(one, path="b", mode=0o755)]), tmp_path / "x.raw", tools)


def test_a_file_of_more_names_than_file_systems_hold_is_refused(tmp_path, tools):
    one = replace(file_entry("usr/f", b"x"), hardlink="h", origin="x/y-1")
    tree = Tree(replace(one, path=f"usr/f{number:05}") for number in range(65_001))
    with pytest.raises(ImageError, match="usr/f00000 has 65001 names") as caught:
        write_image(tree, tmp_path / "x.raw", tools)
    assert caught.value.facts == {"at most": "65000", "from": "x/y-1"}


def test_the_largest_attributes_that_arrive_are_the_largest_that_are_taken(tmp_path, tools):
    entry = file_entry("usr/f", b"x")
    fits = replace(entry, xattrs=(("user.a", b"a" * 16_000), ("user.b", noise(16_714))))
    facts = write_image(Tree([fits]), tmp_path / "x.raw", tools)
    verify_ddi(facts.path, tools, tree=Tree([fits]))
    too_large = replace(entry, xattrs=(("user.a", b"a" * 16_000), ("user.b", noise(16_715))))
    with pytest.raises(ImageError, match="extended attributes of usr/f do not fit") as caught:
        write_image(Tree([too_large]), tmp_path / "x.raw", tools)
    assert caught.value.facts["attributes"] == "user.a: 16000 bytes\nuser.b: 16715 bytes"


def test_an_unwritable_place_is_an_error(tmp_path, tools):
    with pytest.raises(OutputError):
        write_image(release_only(), tmp_path / "absent/x.raw", tools)


def test_too_little_room_is_said_before_the_work(tmp_path, tools):
    free = shutil.disk_usage(tmp_path).free
    huge = Content(free * 2, "0" * 64, spool=tmp_path / "absent")
    tree = Tree([Entry(path="usr/a", kind=Kind.FILE, mode=0o644, content=huge)])
    with pytest.raises(OutputError, match="too little room"):
        write_image(tree, tmp_path / "x.raw", tools)
    assert list(tmp_path.iterdir()) == []


def test_umask_does_not_reach_the_bytes(tmp_path, tools):
    found = set()
    for umask in (0o022, 0o077):
        old = os.umask(umask)
        try:
            facts = write_image(every_kind(), tmp_path / f"{umask}.raw", tools)
        finally:
            os.umask(old)
        found.add(facts.sha256)
    assert len(found) == 1


def test_options_that_mkfs_refuses_are_shown(tmp_path, tools):
    with pytest.raises(ToolError, match=r"mkfs\.erofs failed"):
        write_image(release_only(), tmp_path / "x.raw", tools, mkerofs_opts="--no-such")


@pytest.mark.parametrize(
    ("opts", "fault"),
    [("--all-root", "usr/bin/capable: owner"), ("-Eall-fragments", "usr/bin/block: other bytes")],
)
def test_what_mkfs_changes_is_found(tmp_path, tools, opts, fault):
    facts = write_image(every_kind(), tmp_path / "x.raw", tools, mkerofs_opts=opts)
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
    facts = write_image(every_kind(), tmp_path / "x.raw", tools, compression=compression)
    with pytest.raises(ImageError) as caught:
        verify_ddi(facts.path, tools, tree=wanted)
    assert fault in caught.value.facts["entries"]


def test_without_a_certificate_the_own_one_is_used_and_said_so(tmp_path, tools):
    facts = write_image(release_only(), tmp_path / "x.raw", tools)
    found = verify_ddi(facts.path, tools)
    assert not found.trusted
    assert found.signer == "CN=test key"


@pytest.mark.parametrize("other", ["rsa", "p256"])
def test_another_signer_is_refused(tmp_path, tools, other):
    facts = write_image(release_only(), tmp_path / "x.raw", tools)
    with pytest.raises(VerifyError, match="another"):
        verify_ddi(facts.path, tools, certificate=signing_key(other, 9).certificate)


def test_an_ordinary_user_writes_the_same_bytes(tmp_path, tools):
    if os.geteuid() != 0:
        pytest.skip("this user is ordinary: the other tests show it")
    if not os.access(tools.argv("mkfs.erofs")[0], os.X_OK):
        pytest.skip("no tools")
    ours = write_image(every_kind(), tmp_path / "x.raw", tools, compression=Compression.LZ4HC)
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
                facts = write_image(tree, theirs / "y.raw", other, compression=Compression.LZ4HC)
                verify_ddi(facts.path, other, tree=tree)
                report.write_text(facts.sha256)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert report.read_text() == ours.sha256
    finally:
        shutil.rmtree(theirs)

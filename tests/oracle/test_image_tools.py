"""Other programs judge what we write, and what we read."""

import base64
import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from sysextlib.errors import ToolError
from sysextlib.gentoo.arch import Arch
from sysextlib.image.compression import Compression
from sysextlib.image.ddi import DdiFacts, read_ddi, write_ddi
from sysextlib.image.erofs_reader import Erofs
from sysextlib.image.keys import KEY_NAME, load_signing_key, make_signing_key
from sysextlib.image.signature import read_signed_data, sign_detached, verify_detached
from sysextlib.image.verify import verify_ddi
from sysextlib.image.verity import BLOCK, Superblock, hash_tree, render_superblock
from sysextlib.system.run import run
from sysextlib.tree import Kind
from tests.builders.keys import certificate, private_key, signing_key, write_pair
from tests.builders.needs import require_root
from tests.builders.tools import image_tools, repart_image
from tests.builders.tree import EPOCH, every_kind, noise, release_only

pytestmark = [pytest.mark.oracle, pytest.mark.tool]
SALT = bytes(range(100, 132))
ROOT = b"0123456789abcdef" * 4


def write(out: Path, arch: Arch = Arch.AMD64, compression: str = "lz4hc") -> DdiFacts:
    return write_ddi(
        every_kind(),
        out,
        arch=arch,
        seed=b"seed",
        epoch=EPOCH,
        key=signing_key(),
        tools=image_tools("mkfs.erofs"),
        compression=Compression(compression),
    )


@pytest.mark.parametrize("blocks", [1, 2, 128, 129, 1000, 16385])
def test_veritysetup_makes_the_same_superblock_tree_and_root_hash(tmp_path, blocks):
    tools = image_tools("veritysetup")
    data, uuid = noise(blocks * BLOCK), UUID("12345678-1234-4234-8234-123456789abc")
    (tmp_path / "data").write_bytes(data)
    theirs = run(
        [
            *tools.argv("veritysetup"), "format", f"--salt={SALT.hex()}", f"--uuid={uuid}",
            tmp_path / "data", tmp_path / "tree",
        ],
        name="veritysetup",
    )  # fmt: skip
    tree = hash_tree(data, SALT)
    stated = re.search(rb"Root hash:\s+([0-9a-f]+)", theirs.stdout)
    assert stated is not None
    assert tree.root_hash.hex() == stated[1].decode()
    ours = render_superblock(Superblock(uuid, SALT, blocks)) + tree.blocks
    assert (tmp_path / "tree").read_bytes() == ours


def test_veritysetup_verifies_the_partitions_of_an_image(tmp_path):
    tools = image_tools("veritysetup", "mkfs.erofs")
    facts = write(tmp_path / "x.raw")
    ddi = read_ddi(facts.path)
    (tmp_path / "data").write_bytes(ddi.view(ddi.data))
    (tmp_path / "hashes").write_bytes(ddi.view(ddi.hashes))
    check = [*tools.argv("veritysetup"), "verify", tmp_path / "data", tmp_path / "hashes"]
    run([*check, facts.root_hash], name="veritysetup")
    with pytest.raises(ToolError):
        run([*check, "0" * 64], name="veritysetup")


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_openssl_signs_the_same_and_verifies(tmp_path, kind):
    tools = image_tools("openssl")
    openssl = tools.argv("openssl")
    key = private_key(kind)
    write_pair(tmp_path, key, certificate(key, name="Flatcar é"))
    (tmp_path / "content").write_bytes(ROOT)
    signing = load_signing_key(tmp_path)
    ours = sign_detached(ROOT, signing)
    pair = ["-signer", tmp_path / "sysexts.crt", "-inkey", tmp_path / "sysexts.key"]
    shape = ["-binary", "-noattr", "-md", "sha256", "-outform", "DER"]
    theirs = run(
        [*openssl, "smime", "-sign", *shape, *pair, "-in", tmp_path / "content"], name="openssl"
    ).stdout
    if kind == "rsa":
        assert ours == theirs
    else:  # openssl's value has a random nonce
        one, two = read_signed_data(ours), read_signed_data(theirs)
        assert replace(one, value=b"") == replace(two, value=b"")
        verify_detached(theirs, ROOT, signing.certificate)
    (tmp_path / "signature").write_bytes(ours)
    verify = [
        *openssl, "smime", "-verify", "-inform", "DER", "-in", tmp_path / "signature",
        "-binary", "-noverify", "-nointern", "-certfile", tmp_path / "sysexts.crt", "-content",
    ]  # fmt: skip
    assert run([*verify, tmp_path / "content"], name="openssl").stdout == ROOT
    (tmp_path / "other").write_bytes(ROOT[::-1])
    with pytest.raises(ToolError):
        run([*verify, tmp_path / "other"], name="openssl")


def test_openssl_reads_a_key_that_we_made(tmp_path):
    tools = image_tools("openssl")
    made = make_signing_key(tmp_path / "keys", "Flatcar sysext key")
    openssl = tools.argv("openssl")
    run([*openssl, "pkey", "-check", "-noout", "-in", tmp_path / "keys" / KEY_NAME], name="openssl")
    crt = tmp_path / "keys/sysexts.crt"
    shown = run(
        [*openssl, "x509", "-in", crt, "-noout", "-subject", "-fingerprint", "-sha256"],
        name="openssl",
    ).stdout.decode()
    assert "Flatcar sysext key" in shown
    assert made.fingerprint.upper() in shown.replace(":", "")
    text = run([*openssl, "x509", "-in", crt, "-noout", "-text"], name="openssl").stdout.decode()
    for fact in ("(4096 bit)", "sha256WithRSAEncryption", "CA:TRUE", "Version: 3"):
        assert fact in text
    run([*openssl, "verify", "-CAfile", crt, crt], name="openssl")


@pytest.mark.parametrize("arch", list(Arch))
def test_sfdisk_sees_the_table_that_we_meant(tmp_path, arch):
    tools = image_tools("sfdisk", "mkfs.erofs")
    facts = write(tmp_path / "x.raw", arch)
    argv = tools.argv("sfdisk")
    shown = json.loads(run([*argv, "-J", facts.path], name="sfdisk").stdout)["partitiontable"]
    ddi = read_ddi(facts.path)
    assert (shown["label"], UUID(shown["id"]), shown["firstlba"]) == ("gpt", ddi.disk, 34)
    assert shown["lastlba"] == facts.size // 512 - 34
    seen = [
        (p["start"], p["size"], UUID(p["type"]), UUID(p["uuid"]), p["name"], p.get("attrs", ""))
        for p in shown["partitions"]
    ]
    assert seen == [
        (p.first, p.size // 512, p.type, p.uuid, p.name, "GUID:60" if p.attributes else "")
        for p in facts.partitions
    ]
    verified = run([*argv, "--verify", facts.path], name="sfdisk")
    assert b"No errors detected" in verified.stdout + verified.stderr


STRICT = "--image-policy=root=signed+absent:usr=signed+absent"


@pytest.mark.parametrize("arch", list(Arch))
def test_systemd_dissect_accepts_the_image_under_the_strict_policy(tmp_path, arch):
    tools = image_tools("systemd-dissect", "mkfs.erofs")
    facts = write(tmp_path / "x.raw", arch)
    validate = [*tools.argv("systemd-dissect"), "--validate", STRICT]
    run([*validate, facts.path], name="systemd-dissect")
    ddi = read_ddi(facts.path)
    (tmp_path / "y.raw").write_bytes(ddi.view(ddi.data))  # the file system alone is not signed
    with pytest.raises(ToolError):
        run([*validate, tmp_path / "y.raw"], name="systemd-dissect")


@pytest.mark.root
@pytest.mark.parametrize("arch", list(Arch))
def test_systemd_dissect_sees_the_image_as_signed(tmp_path, arch):
    require_root()
    tools = image_tools("systemd-dissect", "mkfs.erofs")
    facts = write(tmp_path / "x.raw", arch)
    shown = json.loads(
        run([*tools.argv("systemd-dissect"), "--json=short", facts.path], name="dissect").stdout
    )
    assert shown["architecture"] == arch.systemd_name
    assert UUID(shown["imageUuid"]) == read_ddi(facts.path).disk
    found = {m["designator"]: m for m in shown["mounts"]}
    assert list(found) == ["root", "root-verity", "root-verity-sig"]
    assert (found["root"]["verity"], found["root"]["fstype"]) == ("signed", "erofs")
    assert found["root-verity"]["fstype"] == "DM_verity_hash"
    assert found["root-verity-sig"]["fstype"] == "verity_hash_signature"


def test_systemd_repart_makes_the_same_image_but_for_size_and_ids(tmp_path):
    tools = image_tools("mkfs.erofs")
    facts = write(tmp_path / "ours.raw")
    ours = read_ddi(facts.path)
    (tmp_path / "fs").write_bytes(ours.view(ours.data))
    keys = write_pair(tmp_path / "keys", private_key(), signing_key().certificate)
    partitions = {
        "root": f"CopyBlocks={tmp_path}/fs\nVerity=data",
        "root-verity": "Verity=hash\nMinimize=best",
        "root-verity-sig": "Verity=signature",
    }
    seed = "--seed=0123456789abcdef0123456789abcdef"
    theirs = read_ddi(repart_image(tmp_path / "theirs.raw", partitions, keys, seed))
    assert [(p.name, p.type, p.attributes) for p in theirs.partitions] == [
        (p.name, p.type, p.attributes) for p in ours.partitions
    ]
    salt, count = theirs.superblock.salt, theirs.superblock.data_blocks
    assert len(salt) == len(ours.superblock.salt)
    assert theirs.data.first == ours.data.first == 40
    assert theirs.sign.size == ours.sign.size == 16384
    assert hash_tree(bytes(theirs.view(theirs.data)[: count * BLOCK]), salt).root_hash == (
        theirs.root_hash
    )
    wanted = theirs.root_hash.hex().encode()
    assert theirs.signature.pkcs7 == sign_detached(wanted, signing_key())
    assert theirs.signature.fingerprint == signing_key().fingerprint
    assert verify_ddi(theirs.path, tools, tree=every_kind()).root_hash == theirs.root_hash.hex()
    texts = [bytes(d.view(d.sign)).rstrip(b"\0") for d in (ours, theirs)]
    keys = [list(json.loads(text)) for text in texts]
    assert keys[0] == keys[1]
    signature = base64.b64encode(theirs.signature.pkcs7)
    assert texts[1].endswith(b'"signature":"' + signature + b'"}')


@pytest.mark.parametrize("compression", ["none", "lz4hc"])
def test_fsck_erofs_extracts_the_tree(tmp_path, compression):
    tools = image_tools("fsck.erofs", "mkfs.erofs")
    facts = write(tmp_path / "x.raw", compression=compression)
    run(
        [
            *tools.argv("fsck.erofs"), f"--offset={facts.partitions[0].offset}",
            f"--extract={tmp_path}/root", "--no-preserve-owner", "--preserve-perms", facts.path,
        ],
        name="fsck.erofs",
    )  # fmt: skip
    found = {}
    for folder, names, files in os.walk(tmp_path / "root"):
        for name in (*names, *files):
            path = Path(folder) / name
            found[str(path.relative_to(tmp_path / "root"))] = path.lstat()
    tree = every_kind()
    assert set(found) == {entry.path for entry in tree}
    kinds = {Kind.FILE: stat.S_ISREG, Kind.DIRECTORY: stat.S_ISDIR, Kind.SYMLINK: stat.S_ISLNK}
    for entry in tree:
        there = found[entry.path]
        assert kinds.get(entry.kind, stat.S_ISFIFO)(there.st_mode), entry.path
        if entry.kind is not Kind.SYMLINK:
            assert stat.S_IMODE(there.st_mode) == entry.mode, entry.path
        if entry.kind is not Kind.DIRECTORY:  # its own extraction changes a directory's time
            assert int(there.st_mtime) == entry.mtime, entry.path
        if entry.kind is Kind.SYMLINK:
            assert (tmp_path / "root" / entry.path).readlink() == Path(entry.target)


def test_dump_erofs_and_our_reader_agree_on_every_inode(tmp_path):
    tools = image_tools("dump.erofs", "mkfs.erofs")
    facts = write(tmp_path / "x.raw")
    dump = [*tools.argv("dump.erofs"), f"--offset={facts.partitions[0].offset}"]
    erofs = read_ddi(facts.path).erofs()
    shown = run([*dump, "-s", facts.path], name="dump.erofs").stdout.decode()
    assert str(erofs.uuid) in shown.lower()
    for entry in erofs.entries():
        text = run([*dump, f"--nid={entry.nid}", facts.path], name="dump.erofs").stdout.decode()
        size, links, access, owner = (
            re.search(pattern, text)
            for pattern in (
                r"Size: (\d+)",
                r"Links: (\d+)",
                r"Access: (\d+)/",
                r"Uid: (\d+)\s+Gid: (\d+)",
            )
        )
        assert size and links and access and owner  # noqa: PT018
        if entry.kind in {Kind.FILE, Kind.SYMLINK}:
            assert int(size[1]) == entry.size
        assert int(links[1]) == entry.nlink
        assert int(access[1], 8) == entry.mode & 0o777  # all that it shows
        assert (int(owner[1]), int(owner[2])) == (entry.uid, entry.gid)


def test_our_reader_agrees_on_an_image_that_mkfs_made_of_a_folder(tmp_path):
    """Not only on what our own stream makes: other xattr, tail and directory layouts."""
    tools = image_tools("mkfs.erofs")
    root = tmp_path / "root"
    (root / "usr/many").mkdir(parents=True)
    for number in range(2000):
        (root / f"usr/many/{'n' * (number % 90)}{number}").write_bytes(b"x" * number)
    (root / "usr/link").symlink_to("many/" + "y/" * 300)
    run([*tools.argv("mkfs.erofs"), "--quiet", "-T7", tmp_path / "fs", root], name="mkfs.erofs")
    erofs = Erofs(memoryview((tmp_path / "fs").read_bytes()))
    found = {entry.path: entry for entry in erofs.entries()}
    expected = {str(path.relative_to(root)) for path in root.rglob("*")} | {""}
    assert set(found) == expected
    for path, entry in found.items():
        if entry.kind is Kind.FILE:
            assert erofs.read(entry) == (root / path).read_bytes()
            assert entry.mtime == 7
    assert found["usr/link"].target == "many/" + "y/" * 300


def test_the_least_extension_is_a_tenth_of_what_repart_makes(tmp_path):
    tools = image_tools("mkfs.erofs")
    facts = write_ddi(
        release_only(), tmp_path / "x.raw", arch=Arch.AMD64, seed=b"", epoch=EPOCH,
        key=signing_key(), tools=tools,
    )  # fmt: skip
    assert facts.size * 10 < 1_093_632

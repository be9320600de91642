"""What packages put below /etc becomes a second image when the definition asks for it."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sysextlib.explain.host import host_of
from sysextlib.explain.policy import parse_policy
from sysextlib.explain.verdict import explain_image
from sysextlib.image.ddi import read_ddi
from sysextlib.image.inspect import inspect_image
from sysextlib.system.run import run
from sysextlib.tree import Entry, file_entry
from tests.builders.binpkg import PackageSpec
from tests.builders.demo import demo_board
from tests.builders.tools import image_tools
from tests.builders.world import MTIME, World, make_world

# A definition of the catalogue that has confext = true; the packages here are made up.
KEY, NAME = "chrony", "flatcar-chrony"
STRICT = "root=signed+absent:usr=signed+absent"
SAME = b"127.0.0.1 localhost\n"


def chrony(*etc: Entry) -> PackageSpec:
    program = file_entry("usr/bin/chronyd", b"#!/bin/sh\n", mode=0o755, mtime=MTIME)
    unit = file_entry(
        "usr/lib/systemd/system/chrony.service",
        b"[Service]\nExecStart=/usr/bin/chronyd\n",
        mtime=MTIME,
    )
    return PackageSpec(
        cpv="net-misc/chrony-4.6-r1", metadata={"repository": "test"}, entries=[program, unit, *etc]
    )


def conf(path: str = "etc/chrony/chrony.conf", data: bytes = b"pool x\n", **more: Any) -> Entry:
    return replace(file_entry(path, data, mtime=MTIME), **more)


def world_of(folder: Path, *etc: Entry) -> World:
    group = b"root:x:0:\n_chrony:x:123:\n"
    base = {"etc/hosts": SAME, "etc/app/own.conf": b"base\n", "etc/group": group}
    return make_world(folder, [chrony(*etc)], base)


def built(world: World, output: Path, *words: str) -> dict[str, Any]:
    (receipt,) = world.build(*(words or (KEY,)), output=output)
    return receipt


def call(world: World, *words: str | Path, code: int = 0) -> str:
    argv = [*world.argv()[:2], *words]
    done = run(argv, env=world.environment(), name=str(words[0]), codes=(code,))
    return done.stdout.decode()


def test_what_is_new_below_etc_is_in_the_confext_and_nowhere_else(tmp_path):
    keys = conf("etc/chrony/keys", b"secret", mode=0o640, gid=123)
    world = world_of(tmp_path, conf(), keys, conf("etc/hosts", SAME), conf("etc/app/more"))
    receipt = built(world, tmp_path / "out")
    tools = image_tools("dump.erofs")
    found = inspect_image(tmp_path / f"out/{NAME}.confext.raw", tools)
    entries = {entry.path: entry for entry in found.entries}
    assert set(entries) == {
        *("", "etc", "etc/app", "etc/app/more", "etc/chrony", "etc/chrony/chrony.conf"),
        *("etc/chrony/keys", "etc/extension-release.d"),
        f"etc/extension-release.d/extension-release.{NAME}",
    }
    assert (entries["etc/chrony/keys"].mode, entries["etc/chrony/keys"].gid) == (0o640, 123)
    sysext = inspect_image(tmp_path / f"out/{NAME}.raw", tools)
    assert not [entry.path for entry in sysext.entries if entry.path.startswith("etc")]
    assert (tmp_path / f"out/{NAME}_dropped.txt").read_text() == ""
    listed = (tmp_path / f"out/{NAME}.confext_contents.txt").read_text()
    assert "./etc/chrony/chrony.conf" in listed
    manifest = json.loads((tmp_path / f"out/{NAME}_manifest.json").read_text())
    root_hash = read_ddi(tmp_path / f"out/{NAME}.confext.raw").root_hash.hex()
    assert receipt["confext_root_hash"] == manifest["confext"]["root_hash"] == root_hash
    assert f"{NAME}.confext.raw" in {file["name"] for file in receipt["files"]}


def test_its_stamp_is_a_confexts(tmp_path):
    world = world_of(tmp_path, conf())
    built(world, tmp_path / "out")
    found = inspect_image(tmp_path / f"out/{NAME}.confext.raw", image_tools("dump.erofs"))
    assert (found.name, found.kind) == (NAME, "confext")
    assert dict(found.release) == {
        "ID": "sysext-demo",
        "VERSION_ID": "1.2.3",
        "ARCHITECTURE": "x86-64",
        "EXTENSION_RELOAD_MANAGER": "1",
        "CONFEXT_ID": NAME,
        "CONFEXT_VERSION_ID": "4.6-r1",
        "CONFEXT_BUG_REPORT_URL": "https://issues.flatcar.org",
    }


def test_a_level_asked_for_as_that_of_a_sysext_is_the_confexts_own(tmp_path):
    world = world_of(tmp_path, conf())
    output = tmp_path / "out"
    done = world.run(KEY, output=output, env={"VERSION_FIELD_OVERRIDE": "SYSEXT_LEVEL"})
    assert done.returncode == 0, done.stderr
    found = inspect_image(output / f"{NAME}.confext.raw", image_tools("dump.erofs"))
    assert (found.release["CONFEXT_LEVEL"], "VERSION_ID" in found.release) == ("1.2.3", False)


def test_both_images_would_be_merged_under_the_strict_policy(tmp_path):
    world = world_of(tmp_path, conf())
    built(world, tmp_path / "out")
    words = ("--base", world.base, "--image_policy", STRICT, "--certificate")
    images = [tmp_path / f"out/{NAME}{end}" for end in (".raw", ".confext.raw")]
    told = call(world, "explain", *images, *words, world.keys / "sysexts.crt")
    assert f"would be merged as sysext {NAME}" in told
    assert f"would be merged as confext {NAME}" in told
    dissect = image_tools("systemd-dissect").argv("systemd-dissect")
    run([*dissect, "--validate", "--image-policy=root=signed", images[1]], name="dissect")


def test_verify_takes_it_and_a_renamed_one_not(tmp_path):
    world = world_of(tmp_path, conf())
    built(world, tmp_path / "out")
    image = tmp_path / f"out/{NAME}.confext.raw"
    verify = ("verify", f"--certificate={world.keys}/sysexts.crt")
    assert f"{image}: ok, confext," in call(world, *verify, image)
    renamed = image.rename(image.with_name("other.confext.raw"))
    assert "REFUSED" in call(world, *verify, renamed, code=20)


def test_two_builds_give_the_same_bytes(tmp_path):
    world = world_of(tmp_path, conf())
    digests = [
        {file["name"]: file["sha256"] for file in built(world, tmp_path / name)["files"]}
        for name in ("a", "b")
    ]
    assert digests[0] == digests[1]


def test_a_later_build_without_one_takes_the_old_confext_away(tmp_path):
    world = world_of(tmp_path, conf())
    built(world, tmp_path / "out")
    assert f"{NAME}.confext.raw" in os.listdir(tmp_path / "out")
    built(world, tmp_path / "out", NAME, "net-misc/chrony")  # the package alone, no definition
    left = os.listdir(tmp_path / "out")
    assert f"{NAME}.raw" in left
    assert [name for name in left if "confext" in name] == []
    assert "etc/chrony/chrony.conf" in (tmp_path / f"out/{NAME}_dropped.txt").read_text()


@pytest.mark.parametrize(
    ("entries", "code", "told"),
    [
        ((), 3, "nothing below /etc is left for it"),
        ((conf("etc/hosts", SAME),), 3, "the base has the same: etc/hosts"),
        ((conf("etc/hosts", b"other\n"),), 12, "/etc/hosts differs from the base image's"),
        ((conf("etc/app"),), 12, "/etc/app"),
    ],
)
def test_a_confext_that_cannot_be_is_refused(tmp_path, entries, code, told):
    world = world_of(tmp_path, *entries)
    done = world.run(KEY, output=tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert os.listdir(tmp_path / "out") == []


def test_a_setuid_file_in_a_confext_is_a_finding(tmp_path):
    world = world_of(tmp_path, conf(mode=0o4755))
    done = world.run(KEY, output=tmp_path / "out")
    assert done.returncode == 14
    assert "etc/chrony/chrony.conf" in done.stderr


@pytest.mark.demo
@pytest.mark.slow
def test_real_chrony_has_its_configuration_in_a_confext(tmp_path):
    board = demo_board()
    argv = [*World(tmp_path).argv()[:2], "--board=demo-amd64", f"--image_builddir={tmp_path}", KEY]
    subprocess.run(argv, check=True, capture_output=True)
    strict = parse_policy(STRICT)
    for end in (".raw", ".confext.raw"):
        verdict = explain_image(tmp_path / f"{NAME}{end}", host_of(board.image), strict)
        # all but the certificate, which is this checkout's own, fits the board's base
        assert [reason.text[:14] for reason in verdict.reasons] == ["no certificate"]
    listed = (tmp_path / f"{NAME}.confext_contents.txt").read_text()
    assert "./etc/chrony/chrony.conf" in listed
    assert "./etc/" not in (tmp_path / f"{NAME}_contents.txt").read_text()

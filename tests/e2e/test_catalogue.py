"""The whole catalogue of each board, built in one call from packages of upstream's shape."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sysextlib.definition import load_catalogue
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import read_ddi
from sysextlib.system.run import run
from tests.builders.binpkg import write_binhost
from tests.builders.catalogue import all_packages, base_paths, package, units
from tests.builders.catalogue_oem import OEMS
from tests.builders.checkout import copy_checkout
from tests.builders.golden import golden, of_image, render
from tests.builders.needs import require_tool
from tests.builders.tools import image_tools
from tests.builders.world import World, make_world

ROOT = Path(__file__).parents[2]
BOARDS = {"amd64-usr": Arch.AMD64, "arm64-usr": Arch.ARM64}
NAMES = {
    board: [one.name for one in load_catalogue(ROOT).values() if one.fits(board, arch)]
    for board, arch in BOARDS.items()
}


def call(
    world: World, *words: str, output: Path, code: int = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    program = world.folder / "program/build_sysext.py"
    if not program.exists():  # a copy: another source is a reason to build again
        copy_checkout(program.parent)
    argv = [
        sys.executable,
        str(program),
        "--board=amd64-usr",
        f"--squashfs_base={world.base}",
        f"--binhost={world.binhost}",
        f"--image_builddir={output}",
        *words,
    ]
    done = subprocess.run(
        argv, env=world.environment(**env), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    require_tool("mksquashfs")
    return {
        board: make_world(tmp_path_factory.mktemp(board), all_packages(arch), base_paths(arch))
        for board, arch in BOARDS.items()
    }


@pytest.fixture(scope="module")
def usr(worlds: dict[str, World]) -> World:
    return worlds["amd64-usr"]


@pytest.fixture(scope="module")
def outputs(worlds: dict[str, World], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return, by board, the folder with all its extensions."""
    found = {}
    for board, world in worlds.items():
        output = tmp_path_factory.mktemp("built")
        done = call(world, f"--board={board}", "all", "--json", output=output)
        assert [one["name"] for one in json.loads(done.stdout)["built"]] == NAMES[board]
        found[board] = output
    return found


@pytest.fixture(scope="module")
def built(outputs: dict[str, Path]) -> Path:
    return outputs["amd64-usr"]


def manifest(built: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((built / f"{name}_manifest.json").read_text())
    return found


def listing(built: Path, name: str, scratch: Path) -> str:
    """Return what the image holds, unpacked by fsck.erofs, as a golden listing has it."""
    ddi = read_ddi(built / f"{name}.raw")
    data, files = scratch / "data", scratch / "files"
    data.write_bytes(ddi.view(ddi.partitions[0]))
    run([*image_tools("fsck.erofs").argv("fsck.erofs"), f"--extract={files}", data])
    return render(of_image(built / f"{name}_contents.txt", files))


@pytest.mark.parametrize(
    ("board", "name"), [(board, name) for board in BOARDS for name in NAMES[board]]
)
def test_each_image_holds_what_its_golden_listing_says(outputs, tmp_path, board, name):
    assert listing(outputs[board], name, tmp_path) == golden(board, name).read_text()


@pytest.mark.parametrize("branch", ["535", "550", "570"])
def test_each_nvidia_extension_gets_the_package_with_its_use(built, branch):
    closed, opened = (
        manifest(built, f"flatcar-nvidia-drivers-{branch}{ending}")["packages"]
        for ending in ("", "-open")
    )
    assert [one["cpv"] for one in closed] == [one["cpv"] for one in opened]
    assert ("-kernel-open" in closed[0]["use"], "kernel-open" in opened[0]["use"]) == (True, True)
    assert (closed[0]["build_id"], opened[0]["build_id"]) == (1, 2)
    assert closed[0]["file"]["sha256"] != opened[0]["file"]["sha256"]


@pytest.mark.parametrize("key", OEMS)
def test_an_oem_extension_bears_the_name_and_version_of_its_package(built, key):
    release = manifest(built, f"oem-{key}")["release"]
    assert release["SYSEXT_NAME"] == OEMS[key].name
    assert release["SYSEXT_VERSION_ID"] == OEMS[key].version
    assert release["SYSEXT_HOME_URL"] == OEMS[key].home
    assert release["SYSEXT_ID"] == f"oem-{key}"


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("docker-flatcar", "29.5.2"),
        ("flatcar-overlaybd", "1.0.18"),
        ("flatcar-podman", "6.0.2"),
        ("flatcar-python", "3.12.13"),
    ],
)
def test_an_extension_of_several_packages_bears_the_version_of_its_main_one(built, name, version):
    release = manifest(built, name)["release"]
    assert release["SYSEXT_VERSION_ID"] == version
    assert release["SYSEXT_HOME_URL"].endswith(f"{version}.example")
    assert "SYSEXT_NAME" not in release


def test_docker_counts_what_containerd_merges_as_installed(built):
    names = [one["cpv"] for one in manifest(built, "docker-flatcar")["packages"]]
    assert not any("containerd" in name or "runc" in name for name in names)


def processor_seconds() -> float:
    """Return what the programs that this process waited for took, however busy the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_second_call_leaves_everything_and_takes_seconds(usr, built):
    before = {path.name: path.stat().st_mtime_ns for path in built.iterdir()}
    started = processor_seconds()
    done = call(usr, "all", "--json", output=built)
    assert processor_seconds() - started < 5
    assert all(one["reused"] for one in json.loads(done.stdout)["built"])
    assert {path.name: path.stat().st_mtime_ns for path in built.iterdir()} == before


@pytest.fixture
def small(usr: World, tmp_path: Path) -> tuple[World, Path]:
    """A world that a test may change, with two extensions built."""
    world = World(tmp_path / "world")
    world.folder.mkdir()
    world.base.symlink_to(usr.base)
    world.keys.symlink_to(usr.keys)
    write_binhost(world.binhost, all_packages())
    output = tmp_path / "out"
    call(world, "oem-stackit", "oem-qemu", output=output)
    return world, output


def again(small: tuple[World, Path], *words: str, **env: str) -> dict[str, list[str]]:
    """Build again; return why each was built, an empty list when it was left."""
    world, output = small
    done = call(world, "oem-stackit", "oem-qemu", "--json", *words, output=output, **env)
    return {one["name"]: one["reasons"] for one in json.loads(done.stdout)["built"]}


def test_what_a_changed_package_is_in_is_built_again_with_the_reason(small):
    changed = package("net-misc/chrony-4.8", "usr/bin/chronyd", "usr/bin/chronyc",
                      "usr/lib/systemd/system/chronyd.service")  # fmt: skip
    others = [spec for spec in all_packages() if not spec.cpv.startswith("net-misc/chrony")]
    write_binhost(small[0].binhost, [*others, changed])
    why = again(small)
    assert why == {"oem-stackit": ["package net-misc/chrony-4.8 changed"], "oem-qemu": []}
    assert "./usr/bin/chronyc" in (small[1] / "oem-stackit_contents.txt").read_text()


def test_a_new_version_is_told_as_such(small):
    newer = package("net-misc/chrony-4.9", "usr/bin/chronyd", *units("chronyd.service"))
    write_binhost(small[0].binhost, [*all_packages(), newer])
    assert again(small)["oem-stackit"] == [
        "package net-misc/chrony-4.8 is no longer needed",
        "package net-misc/chrony-4.9 is new",
    ]


def test_a_flag_that_changes_the_image_is_a_reason(small):
    assert again(small, "--compression=lz4")["oem-qemu"] == ["flag compression changed"]
    assert again(small, "--compression=lz4", "--strip_binaries")["oem-qemu"] == [
        "flag strip changed",
        "tool strip is new",
    ]


def test_an_output_that_was_changed_or_lost_is_built_again(small):
    (small[1] / "oem-qemu.raw").write_bytes(b"x")
    (small[1] / "oem-stackit_packages.txt").unlink()
    assert again(small) == {
        "oem-qemu": ["oem-qemu.raw is not as it was built"],
        "oem-stackit": ["oem-stackit_packages.txt is not as it was built"],
    }


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}', "null"])
def test_a_manifest_that_is_none_is_no_reason_to_trust_the_outputs(small, text):
    (small[1] / "oem-qemu_manifest.json").write_text(text)
    why = again(small)["oem-qemu"]
    assert len(why) == 1
    assert why[0].startswith("its manifest")


def test_no_cache_builds_anew_and_gives_the_same_bytes(small):
    before = (small[1] / "oem-qemu.raw").read_bytes()
    assert again(small, "--no-cache")["oem-qemu"] == ["--no-cache was given"]
    assert (small[1] / "oem-qemu.raw").read_bytes() == before


def test_one_failure_does_not_stop_the_others_and_the_table_tells(small):
    others = [spec for spec in all_packages() if not spec.cpv.startswith("coreos-base/oem-qemu")]
    write_binhost(small[0].binhost, others)
    done = call(small[0], "oem-qemu", "oem-stackit", "--nocache", output=small[1], code=11)
    lines = done.stdout.splitlines()
    table = lines[next(at for at, line in enumerate(lines) if line.startswith("NAME")) + 1 :]
    assert [line.split()[:2] for line in table] == [
        ["oem-qemu", "failed"],
        ["oem-stackit", "built"],
    ]
    assert "error: oem-qemu:" in done.stderr
    assert not [name for name in os.listdir(small[1]) if name.startswith(".")]


def test_an_unknown_group_is_answered_with_the_nearest(usr, tmp_path):
    done = call(usr, "extras", output=tmp_path / "out", code=3)
    assert "did you mean extra" in done.stderr


def test_base_and_packages_of_the_checkout_are_found_without_being_named(usr, tmp_path):
    program = copy_checkout(tmp_path / "checkout")
    build = tmp_path / "checkout/__build__"
    image = build / "images/images/amd64-usr/latest/flatcar_production_image_sysext.squashfs"
    for path, goal in ((image, usr.base), (build / "packages/amd64-usr", usr.binhost)):
        path.parent.mkdir(parents=True)
        shutil.copytree(goal, path) if goal.is_dir() else shutil.copyfile(goal, path)
    argv = [sys.executable, program, "--board=amd64-usr", "--installer=native", "oem-qemu"]
    done = subprocess.run(argv, env=usr.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (image.parent / "sysext/oem-qemu.raw").exists()

"""The steps of an image build: extensions inside the image, and the OEM partition."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sysextlib.errors import ToolError
from sysextlib.system.run import run
from tests.builders.base import lay_out, small_base, tree_of, write_squashfs
from tests.builders.catalogue import OS_RELEASE, all_packages, base_paths
from tests.builders.checkout import copy_checkout
from tests.builders.needs import require_tool, unmet
from tests.builders.tools import image_tools
from tests.builders.world import World, make_world

ROOT = Path(__file__).parents[2]
STORE = "usr/share/flatcar/sysext"
CHAIN = ("containerd-flatcar", "docker-flatcar")


@pytest.fixture(scope="module")
def usr(tmp_path_factory: pytest.TempPathFactory) -> World:
    require_tool("mksquashfs")
    return make_world(tmp_path_factory.mktemp("usr"), all_packages(), base_paths())


def call(
    world: World, *words: str, code: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    program = world.folder / "program/build_sysext.py"
    if not program.exists():  # a copy: another source is a reason to build again
        copy_checkout(program.parent)
    argv = [sys.executable, str(program), "--board=amd64-usr", *words]
    done = subprocess.run(
        argv, env=world.environment(), capture_output=True, text=True, check=False,
        timeout=300, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def image_root(folder: Path) -> Path:
    lay_out(tree_of({**small_base(), **base_paths()}), folder)
    return folder


def chain(world: World, root: Path, output: Path, *words: str) -> dict[str, Any]:
    done = call(
        world, "base-sysexts", f"--base-root={root}", f"--binhost={world.binhost}",
        f"--image_builddir={output}", "--json", *words,
    )  # fmt: skip
    return {one["name"]: one for one in json.loads(done.stdout)["built"]}


@pytest.fixture(scope="module")
def assembled(usr: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("image")
    root, output, merged = image_root(folder / "root"), folder / "out", folder / "merged"
    assert tuple(chain(usr, root, output, f"--merged_root={merged}")) == CHAIN
    return root, output, merged


@pytest.mark.parametrize("name", CHAIN)
def test_the_root_holds_each_extension_and_a_link_that_systemd_finds(assembled, name):
    root, output, _ = assembled
    stored = root / STORE / f"{name}.raw"
    assert stored.read_bytes() == (output / f"{name}.raw").read_bytes()
    assert stored.stat().st_mode & 0o7777 == 0o644
    assert (root / f"etc/extensions/{name}.raw").readlink() == Path(f"/{STORE}/{name}.raw")


@pytest.mark.parametrize("name", CHAIN)
def test_image_database_and_reports_are_in_the_output_folder(assembled, name):
    for ending in (".raw", "_pkginfo.raw", "_packages.txt", "_contents.txt", "_contents_wtd.txt",
                   "_disk_usage.txt"):  # fmt: skip
        assert (assembled[1] / (name + ending)).is_file()


def test_what_travels_in_the_image_needs_no_update_payload(assembled):
    assert not list(assembled[1].glob("flatcar_test_update-*"))


def test_docker_sees_the_packages_of_containerd_by_its_database(assembled):
    facts = json.loads((assembled[1] / "docker-flatcar_manifest.json").read_text())
    assert [one["name"] for one in facts["inputs"]["base_pkginfo"]] == [
        "containerd-flatcar_pkginfo.raw"
    ]
    packages = (assembled[1] / "docker-flatcar_packages.txt").read_text()
    assert "containerd" not in packages


def test_the_merged_view_holds_files_and_databases_of_all(assembled):
    merged = assembled[2]
    for path in ("usr/lib/os-release", "usr/bin/containerd", "usr/bin/dockerd"):
        assert (merged / path).is_file()
    installed = {path.parent.name + "/" + path.name for path in (merged / "var/db/pkg").glob("*/*")}
    assert {"app-containers/runc-1.4.3", "app-containers/docker-29.5.2",
            "sys-kernel/coreos-modules-6.12.103"} <= installed  # fmt: skip
    root = assembled[0]
    assert not (root / "usr/bin/dockerd").exists()
    assert not (root / "var/db/pkg/app-containers").exists()


def test_a_second_run_on_the_same_root_changes_nothing(usr, tmp_path):
    root, output = image_root(tmp_path / "root"), tmp_path / "out"
    (root / STORE).mkdir(parents=True)
    (root / "etc/extensions").mkdir()
    first = chain(usr, root, output)
    assert not any(one["reused"] for one in first.values())
    assert all(one["reused"] for one in chain(usr, root, output).values())


def test_a_named_extension_brings_those_below_it(usr, tmp_path):
    built = chain(usr, image_root(tmp_path / "root"), tmp_path / "out", "docker")
    assert tuple(built) == CHAIN


def test_the_third_sees_the_first(usr, tmp_path):
    """Three in a chain, in a checkout of its own, as the catalogue has only two."""
    checkout = copy_checkout(tmp_path / "checkout").parent
    third = checkout / "sysexts/third"
    third.mkdir()
    (third / "sysext.toml").write_text(
        'name = "third"\nkind = "base"\npackages = ["coreos-base/oem-akamai"]\nafter = ["docker"]\n'
    )
    output, root = tmp_path / "out", image_root(tmp_path / "root")
    argv = [
        sys.executable,
        str(checkout / "build_sysext.py"),
        "--board=amd64-usr",
        "base-sysexts",
        f"--base_root={root}",
        f"--binhost={usr.binhost}",
        f"--image_builddir={output}",
    ]
    done = subprocess.run(argv, env=usr.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads((output / "third_manifest.json").read_text())
    assert [one["name"] for one in facts["inputs"]["base_pkginfo"]] == [
        "containerd-flatcar_pkginfo.raw",
        "docker-flatcar_pkginfo.raw",
    ]
    text = (checkout / "sysexts/containerd/sysext.toml").read_text()
    text = text.replace('kind = "base"', 'kind = "base"\nafter = ["third"]')
    (checkout / "sysexts/containerd/sysext.toml").write_text(text)
    done = subprocess.run(argv, env=usr.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "must come after itself" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "needs --base_root"),
        (("--base_root=/nonexistent",), 2, "is not a folder"),
        (("--base_root={empty}",), 5, "is not the root of an OS image"),
        (("--base_root={nodb}",), 5, "has no package database"),
        (("--base_root={root}", "zfs"), 3, "zfs is no base extension"),
        (("--base_root={root}", "--merged_root={empty}"), 2, "exists already"),
    ],
)
def test_what_cannot_be_assembled_is_refused(usr, tmp_path, words, code, told):
    places = {"empty": tmp_path / "empty", "nodb": tmp_path / "nodb", "root": tmp_path / "root"}
    places["empty"].mkdir()
    image_root(places["root"])
    shutil.rmtree(image_root(places["nodb"]) / "var/db/pkg")
    filled = [word.format(**places) for word in words]
    done = call(usr, "base-sysexts", f"--binhost={usr.binhost}", *filled,
                f"--image_builddir={tmp_path / 'out'}", code=code)  # fmt: skip
    assert told in done.stderr


def test_a_root_that_leads_out_of_itself_is_not_followed(usr, tmp_path):
    root = image_root(tmp_path / "root")
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "etc/extensions").symlink_to(outside)
    flags = (f"--base_root={root}", f"--binhost={usr.binhost}", f"--image_builddir={tmp_path}/out")
    done = call(usr, "base-sysexts", "containerd", *flags, code=21)
    assert "is a symlink" in done.stderr
    assert os.listdir(outside) == []
    assert not (tmp_path / "out").exists()  # told before anything was built


def test_a_root_that_cannot_take_an_extension_is_told_before_any_is_built(usr, tmp_path):
    root = image_root(tmp_path / "root")
    (root / "usr/share/flatcar").write_text("no folder")
    flags = (f"--base_root={root}", f"--binhost={usr.binhost}", f"--image_builddir={tmp_path}/out")
    done = call(usr, "base-sysexts", "containerd", *flags, code=21)
    assert f"not writable: {root}/usr/share/flatcar" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def oem_images(usr: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("oem")
    call(usr, "oem-azure", "oem-qemu", f"--squashfs_base={usr.base}", f"--binhost={usr.binhost}",
         f"--image_builddir={output}")  # fmt: skip
    return output


def partition(
    world: World, images: Path, folder: Path, *words: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    return call(world, "oem-partition", f"--squashfs_base={world.base}",
                f"--image_builddir={images}", *words, str(folder), code=code)  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_oem_partition_holds_image_marker_release_and_grub_cfg(usr, oem_images, tmp_path):
    grub = tmp_path / "grub.cfg"
    grub.write_text("set oem_id=azure\n")
    folder = tmp_path / "oem"
    partition(usr, oem_images, folder, "--oem=azure", f"--grub_cfg={grub}")
    raw = oem_images / "oem-azure.raw"
    assert contents(folder).keys() == {
        "sysext/oem-azure-4593.2.0.raw", "sysext/active-oem-azure", "oem-release", "grub.cfg",
    }  # fmt: skip
    stored = folder / "sysext/oem-azure-4593.2.0.raw"
    assert stored.read_bytes() == raw.read_bytes()
    assert stored.stat().st_mode & 0o7777 == 0o644
    assert stored.stat().st_mtime_ns == raw.stat().st_mtime_ns
    assert (folder / "sysext/active-oem-azure").read_bytes() == b""
    assert (folder / "grub.cfg").read_bytes() == grub.read_bytes()
    assert (folder / "oem-release").read_text().splitlines() == [
        "ID=azure",
        "NAME=Microsoft Azure",
        "VERSION_ID=2.12.0.4-r2",
        "HOME_URL=https://azure.microsoft.com/",
        "BUG_REPORT_URL=https://issues.flatcar.org",
    ]


def test_inspect_and_oem_release_agree_with_systemd_dissect(usr, oem_images, tmp_path):
    dissect = image_tools("systemd-dissect").argv("systemd-dissect")
    raw = oem_images / "oem-azure.raw"
    try:
        told = json.loads(run([*dissect, "--json=short", raw], name="systemd-dissect").stdout)
    except ToolError as error:
        unmet(f"systemd-dissect cannot read contents here: {error.brief}")
    release = told.get("sysextRelease")
    if not release:
        unmet("systemd-dissect cannot mount here, so it tells no release")
    fields = dict(item.split("=", 1) for item in release)
    argv = [sys.executable, str(ROOT / "build_sysext.py"), "inspect", str(raw), "--json"]
    seen = json.loads(run(argv, env=usr.environment()).stdout)["release"]
    assert seen == fields
    folder = tmp_path / "oem"
    partition(usr, oem_images, folder, "--oem=azure")
    stripped = [
        f"{key.removeprefix('SYSEXT_')}={value}".replace("ID=oem-azure", "ID=azure")
        for key, value in fields.items()
        if key.startswith("SYSEXT_")
    ]
    assert (folder / "oem-release").read_text().splitlines() == stripped


def test_the_id_may_bear_its_prefix_and_a_second_time_gives_the_same(usr, oem_images, tmp_path):
    folder = tmp_path / "oem"
    partition(usr, oem_images, folder, "--oem=oem-qemu")
    before = contents(folder)
    partition(usr, oem_images, folder, "--oem=qemu")
    assert contents(folder) == before


def test_an_extension_of_another_version_is_refused(usr, oem_images, tmp_path):
    newer = OS_RELEASE.replace(b"4593.2.0", b"4593.2.1")
    base = tmp_path / "base.squashfs"
    write_squashfs(tree_of({**small_base(), **base_paths(), "usr/lib/os-release": newer}), base)
    done = call(usr, "oem-partition", "--oem=azure", f"--squashfs_base={base}",
                f"--image_builddir={oem_images}", str(tmp_path / "oem"), code=6)  # fmt: skip
    assert "VERSION_ID of the OS: 4593.2.1" in done.stderr
    assert "VERSION_ID of the extension: 4593.2.0" in done.stderr
    assert not (tmp_path / "oem").exists()


def test_an_extension_of_another_architecture_is_refused(usr, oem_images, tmp_path):
    done = partition(usr, oem_images, tmp_path / "oem", "--oem=azure", "--board=arm64-usr", code=6)
    assert "ARCHITECTURE of the extension: x86-64" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--oem=azur",), 2, "did you mean azure"),
        (("--oem=vmware", "--board=arm64-usr"), 2, "has no OEM id 'vmware'"),
        ((), 2, "needs --oem"),
        (("--oem=gce",), 2, "oem-gce is not built"),
        (("--oem=azure", "--grub_cfg=/nonexistent"), 2, "is not a file"),
    ],
)
def test_what_an_oem_partition_cannot_be_is_refused(usr, oem_images, tmp_path, words, code, told):
    done = partition(usr, oem_images, tmp_path / "oem", *words, code=code)
    assert told in done.stderr
    assert not (tmp_path / "oem").exists()


def test_a_damaged_image_and_one_of_another_name_are_refused(usr, oem_images, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    shutil.copyfile(oem_images / "oem-qemu.raw", images / "oem-azure.raw")
    done = partition(usr, images, tmp_path / "oem", "--oem=azure", code=20)
    assert "is not oem-azure" in done.stderr
    (images / "oem-azure.raw").write_bytes(b"x" * 65536)
    partition(usr, images, tmp_path / "oem", "--oem=azure", code=20)


def test_an_image_with_one_wrong_bit_never_gets_onto_an_oem_partition(usr, oem_images, tmp_path):
    data = bytearray((oem_images / "oem-qemu.raw").read_bytes())
    data[data.index(b"SYSEXT_BUG_REPORT_URL") + 25] ^= 1
    (tmp_path / "oem-qemu.raw").write_bytes(data)
    done = partition(usr, tmp_path, tmp_path / "oem", "--oem=qemu", code=20)
    assert "do not match their hash" in done.stderr
    assert not (tmp_path / "oem").exists()

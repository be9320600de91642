"""Builds of a published version: base and packages from a server, trusted by a real signature."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysextlib.system.cache import cache_root
from tests.builders.base import small_base, tree_of, write_squashfs
from tests.builders.binpkg import write_binhost
from tests.builders.catalogue import OS_RELEASE, all_packages, base_paths
from tests.builders.faulty_server import Faults, serving
from tests.builders.gpg import GpgKey
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.needs import require_tool
from tests.builders.releases import IMAGE, checkout_of, image_of, packages_of

VERSION = "4593.2.0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve releases: 4593.2.0, one that lies about its version, one without packages."""
    require_tool("gpg", "gpgv", "mksquashfs")
    folder = tmp_path_factory.mktemp("site")
    key = GpgKey.make(folder / "key")
    whole = {**small_base(), **base_paths()}
    without = {path: data for path, data in whole.items() if not path.startswith("var/db/pkg")}
    for version, paths in ((VERSION, whole), ("4593.2.1", whole), ("4593.2.2", without)):
        key.sign(write_squashfs(tree_of(paths), image_of(folder, version)))
        write_binhost(packages_of(folder, version), all_packages())
    current = folder / "stable/amd64-usr/current/version.txt"
    current.parent.mkdir()
    current.write_text(f"FLATCAR_VERSION={VERSION}\nFLATCAR_VERSION_ID={VERSION}\n")
    key.sign(current)
    yield folder
    key.close()


@dataclass(frozen=True)
class Place:
    """A checkout whose board has its releases on our server."""

    program: Path
    faults: Faults
    folder: Path

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "BUILD_SYSEXT_CACHE": str(self.folder / "cache"),
            "SYSEXT_SIGNING_KEY_DIR": str(self.folder / "keys"),
        }
        done = subprocess.run(
            [sys.executable, str(self.program), "--board=amd64-usr", *words],
            env=env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def built(self, *words: str) -> dict[str, str]:
        done = self.run(*words, "--json")
        return {one["name"]: one["folder"] for one in json.loads(done.stdout)["built"]}


@pytest.fixture
def place(site: Path, tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/tools-tree").symlink_to(cache_root() / "tools-tree")
    key = private_key()
    write_pair(tmp_path / "keys", key, certificate(key))
    with serving(site) as (url, faults):
        program = checkout_of(url, site / "key/key.asc", tmp_path / "checkout")
        yield Place(program, faults, tmp_path)


def test_a_release_is_built_on_and_the_second_time_offline(place):
    output = place.built("--release=" + VERSION, "oem-azure", "docker")
    folder = place.program.parent / f"__build__/images/amd64-usr/{VERSION}/sysext"
    assert output == {"oem-azure": str(folder), "docker-flatcar": str(folder)}
    facts = json.loads((folder / "oem-azure_manifest.json").read_text())
    assert facts["base"]["VERSION_ID"] == VERSION
    asked = len(place.faults.asked)
    place.run("--release=" + VERSION, "--offline", "--no-cache", "oem-azure")
    assert len(place.faults.asked) == asked


def test_without_any_local_base_the_default_channel_s_newest_is_taken(place):
    done = place.run("oem-qemu")
    assert "the newest release of channel stable is 4593.2.0" in done.stderr
    assert place.faults.paths()[0] == "/stable/amd64-usr/current/version.txt.sig"


def test_a_checkout_takes_the_release_of_its_version_file(place):
    file = place.program.parent / "sdk_container/.repo/manifests/version.txt"
    file.parent.mkdir(parents=True)
    file.write_text(f'FLATCAR_VERSION_ID={VERSION}\nFLATCAR_BUILD_ID=""\n')
    done = place.run("oem-qemu")
    assert "taking that of" in done.stderr


def test_an_official_checkout_takes_the_release_without_its_build_id(place):
    file = place.program.parent / "sdk_container/.repo/manifests/version.txt"
    file.parent.mkdir(parents=True)
    file.write_text(f'FLATCAR_VERSION_ID={VERSION}\nFLATCAR_BUILD_ID="nightly-1"\n')
    place.run("oem-qemu", "--official")
    done = place.run("oem-qemu", code=10)
    assert f"there is no release {VERSION}+nightly-1" in done.stderr


def test_a_version_that_does_not_exist_names_what_there_is(place):
    place.run("--release=" + VERSION, "oem-qemu")
    done = place.run("--release=9999.2.0", "oem-qemu", code=10)
    assert "there is no release 9999.2.0 of board amd64-usr" in done.stderr
    assert f"in the cache: {VERSION}" in done.stderr


def test_a_signed_image_of_another_version_than_its_place_is_refused(place):
    done = place.run("--release=4593.2.1", "oem-qemu", code=6)
    assert "release asked for: 4593.2.1" in done.stderr


def test_a_base_without_a_package_database_is_refused(place):
    done = place.run("--release=4593.2.2", "oem-qemu", code=5)
    assert "has no installed packages" in done.stderr


@pytest.mark.parametrize("fault", ["flip"])
def test_a_refused_signature_stops_the_build(place, fault):
    place.faults.script[f"/stable/amd64-usr/{VERSION}/{IMAGE}"] = [fault]
    done = place.run("--release=" + VERSION, "oem-qemu", code=20)
    assert "is not signed by the board's key" in done.stderr
    assert not list((place.folder / "cache/releases").rglob("*.squashfs*"))


@pytest.mark.parametrize("fault", [404, 403])
def test_a_release_without_packages_is_told(place, fault):
    index = f"/boards/amd64-usr/{VERSION}/pkgs/Packages"
    place.faults.script[index + ".gz"] = [fault]
    place.faults.script[index] = [fault]
    done = place.run("--release=" + VERSION, "oem-qemu", code=10)
    assert "does not have a Packages index" in done.stderr


def test_a_server_that_fails_once_is_asked_again(place):
    place.faults.script[f"/stable/amd64-usr/{VERSION}/{IMAGE}"] = [500, "cut 100"]
    place.faults.script[f"/boards/amd64-usr/{VERSION}/pkgs/Packages.gz"] = [503]
    place.run("--release=" + VERSION, "oem-qemu")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--offline", "--release=" + VERSION), 10, "the build is offline"),
        (("--offline",), 10, "the build is offline"),
        (("--channel=stabel",), 2, "did you mean stable"),
        (("--release=latest",), 2, "is no version of a release"),
        (("--release=" + VERSION, "--squashfs_base=x"), 2, "name two base images"),
        (("--release=" + VERSION, "--board=arm64-usr"), 4, "has no releases"),
    ],
)
def test_what_cannot_be_is_refused_before_any_server_is_asked(place, words, code, told):
    other = place.program.parent / "board_overlays/arm64-usr/board.toml"
    other.write_text(other.read_text().partition("# Published versions")[0])
    assert told in place.run("oem-qemu", *words, code=code).stderr
    assert place.faults.asked == []


def test_without_the_board_s_key_the_error_names_its_place(place):
    (place.program.parent / "board_overlays/test.asc").unlink()
    done = place.run("--release=" + VERSION, "oem-qemu", code=4)
    assert "board_overlays/test.asc cannot be read" in done.stderr


def test_an_official_checkout_has_no_build_id(place):
    file = place.program.parent / "sdk_container/.repo/manifests/version.txt"
    file.parent.mkdir(parents=True)
    file.write_text(f"FLATCAR_VERSION_ID={VERSION}\nFLATCAR_BUILD_ID=nightly-1\n")
    base = place.folder / "base.squashfs"
    write_squashfs(
        tree_of({**small_base(), **base_paths(), "usr/lib/os-release": OS_RELEASE}), base
    )
    binhost = write_binhost(place.folder / "binhost", all_packages())
    flags = (f"--squashfs_base={base}", f"--binhost={binhost}", "plan", "oem-qemu")
    assert "4593.2.0+nightly-1" in place.run(*flags, code=6).stderr
    place.run("--official", *flags)
    assert "4593.2.0+mine" in place.run("--build_id=mine", *flags, code=6).stderr

"""Packages that real Portage builds give the same extensions as those that the tests make up."""

import base64
from pathlib import Path

import pytest

from tests.builders.binpkg import PackageSpec
from tests.builders.catalogue import all_packages, base_paths
from tests.builders.needs import require_root, require_tool
from tests.builders.portage_root import FEATURES, PortageRoot
from tests.builders.world import World, make_world
from tests.e2e.test_catalogue import GOLDEN, call, listing, manifest

pytestmark = [pytest.mark.oracle, pytest.mark.root, pytest.mark.slow]
BUILT = (
    "sys-fs/zfs-2.4.3", "x11-drivers/nvidia-drivers-535.288.01", "coreos-base/oem-stackit-1.0.0-r1",
    "net-misc/chrony-4.8",
)  # fmt: skip
NAMES = (
    "flatcar-zfs", "flatcar-nvidia-drivers-535", "flatcar-nvidia-drivers-535-open", "oem-stackit",
)  # fmt: skip


def ebuild(spec: PackageSpec) -> str:
    """Return an ebuild that installs the files of a package."""
    values = {
        key: value.decode().strip() for key, value in spec.vdb().items() if key != "environment.bz2"
    }
    lines = [
        "EAPI=8", 'DESCRIPTION="x"', f'SLOT="{values["SLOT"]}"', 'KEYWORDS="amd64"',
        'LICENSE="Test"', 'S="${WORKDIR}"', f'HOMEPAGE="{values["HOMEPAGE"]}"',
        f'IUSE="{values["IUSE"]}"', f'RDEPEND="{values["RDEPEND"]}"', 'RESTRICT="strip"',
    ]  # fmt: skip
    if spec.cpv.startswith("coreos-base/"):
        lines.append('SYSEXT_NAME="STACKIT"')
    lines.append("src_install() {")
    for entry in spec.entries:
        assert entry.content is not None
        data = base64.b64encode(entry.content.read()).decode()
        lines.append(f'mkdir -p "${{ED}}/{entry.path.rpartition("/")[0]}" || die')
        lines.append(f'base64 -d <<< "{data}" > "${{ED}}/{entry.path}" || die')
        lines.append(f'chmod {entry.mode:o} "${{ED}}/{entry.path}" || die')
    return "\n".join([*lines, "}", ""])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_root()
    require_tool("mksquashfs")
    folder = tmp_path_factory.mktemp("portage")
    specs = [spec for spec in all_packages() if spec.cpv in BUILT]
    portage = PortageRoot.create(folder / "p", {spec.cpv: ebuild(spec) for spec in specs})
    world = make_world(folder / "w", [], base_paths())
    packages = folder / "packages"
    for spec in specs:
        use = spec.vdb()["USE"].decode().strip()
        off = " ".join(
            f"-{flag}" for flag in spec.vdb()["IUSE"].decode().split() if flag not in use.split()
        )
        env = {"PKGDIR": str(packages), "BINPKG_FORMAT": "xpak", "BINPKG_COMPRESS": "bzip2",
               "FEATURES": FEATURES, "USE": f"{off} {use}"}  # fmt: skip
        words = ("--quiet", "--buildpkgonly", "--nodeps", f"={spec.cpv}")
        portage.call("emerge", *words, env=env)
    output = folder / "out"
    own = World(world.folder)
    call(own, *NAMES, f"--binhost={packages}", output=output)
    return output


@pytest.mark.parametrize("name", NAMES)
def test_the_listing_is_the_golden_one(built, name):
    assert listing(built, name) == (GOLDEN / f"{name}.txt").read_text()


def test_the_nvidia_pair_differs_by_use(built):
    flags = [manifest(built, name)["packages"][0]["use"] for name in NAMES[1:3]]
    assert ("-kernel-open" in flags[0], "kernel-open" in flags[1]) == (True, True)


def test_the_name_that_an_ebuild_sets_reaches_the_stamp(built):
    assert manifest(built, "oem-stackit")["release"]["SYSEXT_NAME"] == "STACKIT"
    assert manifest(built, "oem-stackit")["release"]["SYSEXT_VERSION_ID"] == "1.0.0-r1"

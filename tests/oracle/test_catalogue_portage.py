"""Packages that real Portage builds give the same extensions as those that the tests make up."""

from __future__ import annotations

import base64
import bz2
from typing import TYPE_CHECKING

import pytest

from tests.builders.catalogue import all_packages, base_paths
from tests.builders.golden import golden
from tests.builders.needs import require_root, require_tool
from tests.builders.portage_root import FEATURES, PortageRoot
from tests.builders.world import World, make_world
from tests.e2e.test_catalogue import NAMES, call, listing, manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders.binpkg import PackageSpec

pytestmark = [pytest.mark.oracle, pytest.mark.root, pytest.mark.slow]
OTHER_USE = 10  # from this build id on, builds that no definition may choose


def ebuild(specs: list[PackageSpec]) -> str:
    """Return an ebuild that installs the files of a package, by USE where there are several."""
    values = {
        key: value.decode().strip()
        for key, value in specs[0].vdb().items()
        if key != "environment.bz2"
    }
    lines = [
        "EAPI=8", 'DESCRIPTION="x"', f'SLOT="{values["SLOT"]}"', 'KEYWORDS="amd64"',
        'LICENSE="Test"', 'S="${WORKDIR}"', f'HOMEPAGE="{values["HOMEPAGE"]}"',
        f'IUSE="{values["IUSE"]}"', f'RDEPEND="{values["RDEPEND"]}"', 'RESTRICT="strip"',
    ]  # fmt: skip
    if "environment.bz2" in specs[0].metadata:
        lines.append(said(specs[0]))
    lines.append("src_install() {")
    for spec in specs:
        condition = " && ".join(f"use {flag}" for flag in spec.vdb()["USE"].decode().split())
        lines += [f"if {condition or 'true'}; then", *_installing(spec), "return", "fi"]
    return "\n".join([*lines, "die 'another USE'", "}", ""])


def said(spec: PackageSpec) -> str:
    """Return what an ebuild sets for the stamp."""
    environment = spec.metadata["environment.bz2"]
    assert isinstance(environment, bytes)
    return bz2.decompress(environment).decode().strip().removeprefix("declare -- ")


def _installing(spec: PackageSpec) -> list[str]:
    lines = []
    for entry in spec.entries:
        place = f'"${{ED}}/{entry.path}"'
        lines.append(f'mkdir -p "${{ED}}/{entry.path.rpartition("/")[0]}" || die')
        if entry.content is None:
            lines.append(f"ln -s {entry.target} {place} || die")
            continue
        data = base64.b64encode(entry.content.read()).decode()
        lines.append(f'base64 -d <<< "{data}" > {place} || die')
        lines.append(f"chown 0:{entry.gid} {place} && chmod {entry.mode:o} {place} || die")
    return lines


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_root()
    require_tool("mksquashfs")
    folder = tmp_path_factory.mktemp("portage")
    by_cpv: dict[str, list[PackageSpec]] = {}
    for spec in all_packages():
        if spec.build_id < OTHER_USE:
            by_cpv.setdefault(spec.cpv, []).append(spec)
    # kernel-open before all: a shell's first fitting branch is taken
    portage = PortageRoot.create(
        folder / "p", {cpv: ebuild(specs[::-1]) for cpv, specs in by_cpv.items()}
    )
    packages = folder / "packages"
    for turn in range(max(map(len, by_cpv.values()))):
        build(portage, [specs[turn] for specs in by_cpv.values() if len(specs) > turn], packages)
    world = make_world(folder / "w", [], base_paths())
    output = folder / "out"
    call(World(world.folder), "all", f"--binhost={packages}", output=output)
    return output


def build(portage: PortageRoot, specs: list[PackageSpec], packages: Path) -> None:
    """Build packages, each with its USE, by one emerge."""
    lines = []
    for spec in specs:
        values = spec.vdb()
        on = values["USE"].decode().split()
        flags = [flag if flag in on else f"-{flag}" for flag in values["IUSE"].decode().split()]
        lines.append(f"={spec.cpv} {' '.join(flags)}\n")
    (portage.folder / "conf/etc/portage/package.use").write_text("".join(lines))
    env = {"PKGDIR": str(packages), "BINPKG_FORMAT": "xpak", "BINPKG_COMPRESS": "bzip2",
           "FEATURES": FEATURES}  # fmt: skip
    atoms = [f"={spec.cpv}" for spec in specs]
    portage.call("emerge", "--quiet", "--jobs=2", "--buildpkgonly", "--nodeps", *atoms, env=env)


@pytest.mark.parametrize("name", NAMES["amd64-usr"])
def test_the_listing_is_the_golden_one(built, tmp_path, name):
    assert listing(built, name, tmp_path) == golden("amd64-usr", name).read_text()


def test_the_nvidia_pair_differs_by_use(built):
    names = ("flatcar-nvidia-drivers-535", "flatcar-nvidia-drivers-535-open")
    flags = [manifest(built, name)["packages"][0]["use"] for name in names]
    assert ("-kernel-open" in flags[0], "kernel-open" in flags[1]) == (True, True)

"""The arches of OEM extensions come from their ebuilds where a checkout has them."""

import os
from pathlib import Path

from sysextlib.definition import load_catalogue
from sysextlib.gentoo.arch import Arch
from sysextlib.keywords import REPOSITORIES, with_keywords

ROOT = Path(__file__).parents[2]
HEAD = 'EAPI=8\nDESCRIPTION="x"\nSLOT="0"\nLICENSE="x"\n'


def overlay(root: Path, **keywords: str) -> Path:
    """Make a checkout whose overlay has OEM ebuilds with these KEYWORDS, by name and version."""
    folder = root / REPOSITORIES[0]
    (folder / "metadata").mkdir(parents=True)
    (folder / "metadata/layout.conf").write_text("masters =\n")
    (folder / "profiles").mkdir()
    (folder / "profiles/repo_name").write_text("coreos\n")
    for name, words in keywords.items():
        oem, _, version = name.partition("_")
        ebuild = folder / f"coreos-base/oem-{oem}/oem-{oem}-{version or '1'}.ebuild"
        ebuild.parent.mkdir(parents=True, exist_ok=True)
        ebuild.write_text(f'{HEAD}KEYWORDS="{words}"\n')
    return root


def test_keywords_decide_where_there_is_an_ebuild(tmp_path):
    catalogue = load_catalogue(ROOT)
    found = with_keywords(catalogue, overlay(tmp_path, azure="~arm64", gce="amd64 arm64"))
    assert found["oem-azure"].arches == (Arch.ARM64,)
    assert found["oem-gce"].arches == (Arch.AMD64, Arch.ARM64)
    assert found["oem-qemu"] == catalogue["oem-qemu"]
    assert list(found) == list(catalogue)


def test_the_newest_version_decides(tmp_path):
    found = with_keywords(load_catalogue(ROOT), overlay(tmp_path, qemu_9="amd64", qemu_10="arm64"))
    assert found["oem-qemu"].arches == (Arch.ARM64,)


def test_without_ebuilds_the_definitions_decide(tmp_path):
    catalogue = load_catalogue(ROOT)
    assert with_keywords(catalogue, tmp_path) == catalogue


UPSTREAM = {
    "akamai": "amd64 arm64", "ami": "amd64 arm64", "azure": "amd64 arm64", "cloudsigma": "amd64",
    "cloudstack": "amd64", "digitalocean": "amd64", "exoscale": "amd64", "gce": "amd64",
    "hetzner": "amd64 arm64", "hyperv": "amd64", "kubevirt": "amd64 arm64", "nutanix": "amd64",
    "openstack": "amd64 arm64", "oraclecloud": "amd64 arm64", "proxmoxve": "amd64 arm64",
    "qemu": "amd64 arm64", "scaleway": "amd64 arm64", "stackit": "amd64 arm64", "vagrant": "amd64",
    "virtualbox": "amd64", "vmware": "amd64",
}  # fmt: skip
"""KEYWORDS of the OEM ebuilds of flatcar/scripts in August 2026."""


def test_the_definitions_agree_with_the_ebuilds(tmp_path):
    """FLATCAR_SCRIPTS may name a checkout of flatcar/scripts, whose ebuilds count then."""
    named = os.environ.get("FLATCAR_SCRIPTS")
    scripts = Path(named) if named else overlay(tmp_path, **UPSTREAM)
    catalogue = load_catalogue(ROOT)
    found = with_keywords(catalogue, scripts)
    differ = {
        key: str(found[key].arches) for key in found if found[key].arches != catalogue[key].arches
    }
    assert differ == {}
    known = {f"oem-{path.name.removeprefix('oem-')}" for path in oem_folders(scripts)}
    assert known == {key for key in catalogue if key.startswith("oem-")}


def oem_folders(scripts: Path) -> list[Path]:
    return sorted((scripts / REPOSITORIES[0] / "coreos-base").glob("oem-*"))

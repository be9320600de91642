"""The arches of OEM extensions come from their ebuilds where a checkout has them."""

import os
from pathlib import Path

import pytest

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


def test_the_definitions_agree_with_the_ebuilds_at_hand():
    """FLATCAR_SCRIPTS names a checkout of flatcar/scripts; else this one's ebuilds count."""
    scripts = Path(os.environ.get("FLATCAR_SCRIPTS", ROOT))
    if not (scripts / REPOSITORIES[0] / "coreos-base").is_dir():
        pytest.skip("no ebuild repository at hand; FLATCAR_SCRIPTS may name one")
    catalogue = load_catalogue(ROOT)
    found = with_keywords(catalogue, scripts)
    differ = {
        key: str(found[key].arches) for key in found if found[key].arches != catalogue[key].arches
    }
    assert differ == {}
    there = {path.name for path in (scripts / REPOSITORIES[0] / "coreos-base").glob("oem-*")}
    assert there == {one.name for one in catalogue.values() if one.kind == "oem"}

"""Whether an extension-release fits an os-release; outcomes as a real systemd 257 has them."""

import pytest

from sysextlib.explain.match import mismatch
from sysextlib.image.release import ImageClass

HOST = {"ID": "flatcar", "ID_LIKE": "coreos gentoo", "VERSION_ID": "4800.0.0"}
FITS = {"ID": "flatcar", "VERSION_ID": "4800.0.0"}
LEVEL = {"SYSEXT_LEVEL": "2", "CONFEXT_LEVEL": "7"}


def why(release, host=HOST, kind=ImageClass.SYSEXT, arch="x86-64", scope="system"):
    return mismatch(release, host, kind, arch=arch, scope=scope)


@pytest.mark.parametrize(
    "release",
    [
        FITS,
        {"ID": "_any"},
        {"ID": "_any", "VERSION_ID": "1", "SYSEXT_LEVEL": "9"},
        {**FITS, "ID": "gentoo"},
        {**FITS, "ARCHITECTURE": "x86-64"},
        {**FITS, "ARCHITECTURE": "_any"},
        {**FITS, "ARCHITECTURE": ""},
        {**FITS, "SYSEXT_SCOPE": "initrd system"},
        {**FITS, "CONFEXT_SCOPE": "initrd"},
        {**FITS, "SYSEXT_LEVEL": "3"},  # this host has none
    ],
)
def test_it_fits(release):
    assert why(release) == ""


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ({}, "no sysext extension-release"),
        ({"VERSION_ID": "4800.0.0"}, "states no ID"),
        ({**FITS, "ID": "debian"}, "ID is debian, the system's is flatcar (like coreos gentoo)"),
        ({"ID": "flatcar"}, "states no VERSION_ID, the system's is 4800.0.0"),
        ({**FITS, "VERSION_ID": "4799.0.0"}, "VERSION_ID is 4799.0.0"),
        ({**FITS, "ARCHITECTURE": "arm64"}, "ARCHITECTURE is arm64, the system's is x86-64"),
        ({"ID": "_any", "ARCHITECTURE": "arm64"}, "ARCHITECTURE is arm64"),
        ({**FITS, "SYSEXT_SCOPE": "initrd portable"}, "SYSEXT_SCOPE is initrd portable"),
        ({**FITS, "SYSEXT_SCOPE": ""}, "SYSEXT_SCOPE is empty"),
        ({"ID": "_any", "SYSEXT_SCOPE": "initrd"}, "SYSEXT_SCOPE is initrd"),
    ],
)
def test_it_does_not_fit(release, told):
    assert told in why(release)


def test_a_level_decides_before_the_version_where_both_sides_have_one():
    host = {**HOST, **LEVEL}
    assert why({"ID": "flatcar", "VERSION_ID": "1", "SYSEXT_LEVEL": "2"}, host) == ""
    assert "SYSEXT_LEVEL is 3" in why({**FITS, "SYSEXT_LEVEL": "3"}, host)
    assert why(FITS, host) == ""
    assert "VERSION_ID is 1" in why({"ID": "flatcar", "VERSION_ID": "1"}, host)


def test_each_kind_has_its_own_level_and_scope():
    host = {**HOST, **LEVEL}
    release = {"ID": "flatcar", "CONFEXT_LEVEL": "7", "CONFEXT_SCOPE": "system"}
    assert why(release, host, ImageClass.CONFEXT) == ""
    assert "VERSION_ID" in why(release, host)
    assert "CONFEXT_LEVEL is 8" in why({**release, "CONFEXT_LEVEL": "8"}, host, ImageClass.CONFEXT)


def test_a_host_without_a_version_takes_every_version_of_its_id():
    assert why({"ID": "arch", "VERSION_ID": "3"}, {"ID": "arch"}) == ""
    assert why({"ID": "arch"}, {"ID": "arch"}) == ""


def test_what_is_not_stated_of_the_scope_means_a_system_and_not_an_initrd():
    assert why(FITS, scope="portable") == ""
    assert "this is a initrd" not in why(FITS, scope="initrd")
    assert "not for an initrd" in why(FITS, scope="initrd")


def test_an_architecture_that_is_not_known_is_not_held_against_it():
    assert why({**FITS, "ARCHITECTURE": "arm64"}, arch="") == ""

"""A binhost that is a folder of this machine."""

from __future__ import annotations

import pytest

from sysextlib.binpkg import cache
from sysextlib.binpkg.binhost import open_binhost
from sysextlib.errors import FetchError, PackageError, UsageError
from sysextlib.progress import Silent
from tests.builders.binpkg import PackageSpec, write_binhost, write_package

SPECS = (
    PackageSpec(cpv="app-misc/jq-1.7"),
    PackageSpec(cpv="app-misc/jq-1.7", build_id=1, form="xpak", compression="xz"),
    PackageSpec(cpv="sys-fs/zfs-2.4.3-r1", form="xpak", compression="bzip2"),
)


def opened(location, tmp_path):
    return open_binhost(str(location), tmp_path / "cache", Silent())


@pytest.fixture
def pkgs(tmp_path):
    return write_binhost(tmp_path / "with blank", SPECS)


def test_packages_are_used_where_they_are(pkgs, tmp_path):
    binhost = opened(pkgs, tmp_path)
    paths = [binhost.fetch(item) for item in binhost.packages]
    assert paths == [pkgs / spec.path for spec in SPECS]
    assert not (tmp_path / "cache").exists()


def test_file_url_names_the_same_folder(pkgs, tmp_path):
    assert opened(pkgs.as_uri(), tmp_path).packages == opened(pkgs, tmp_path).packages


def test_compressed_index_alone_will_do(pkgs, tmp_path):
    (pkgs / "Packages").unlink()
    assert len(opened(pkgs, tmp_path).packages) == 3


def test_folder_without_an_index_is_read(pkgs, tmp_path):
    indexed = opened(pkgs, tmp_path)
    (pkgs / "Packages").unlink()
    (pkgs / "Packages.gz").unlink()
    scanned = opened(pkgs, tmp_path)
    assert {i.package for i in scanned.packages} == {i.package for i in indexed.packages}
    assert {(i.path, i.size) for i in scanned.packages} == {
        (i.path, i.size) for i in indexed.packages
    }
    assert scanned.fetch(scanned.packages[0]).is_file()


def test_two_files_of_one_build_need_an_index(tmp_path):
    spec = PackageSpec(cpv="app-misc/jq-1.7")
    first = write_package(tmp_path / "pkgs", spec)
    (tmp_path / "pkgs/copy.gpkg.tar").write_bytes(first.read_bytes())
    with pytest.raises(PackageError, match="two files of the binhost"):
        opened(tmp_path / "pkgs", tmp_path)


def test_a_file_is_hashed_once_in_a_build_and_again_when_it_changed(pkgs, tmp_path, monkeypatch):
    hashed = []
    digest = cache.file_digest
    monkeypatch.setattr(
        cache, "file_digest", lambda path, name: (hashed.append(name), digest(path, name))[1]
    )
    binhost = opened(pkgs, tmp_path)
    item = binhost.packages[0]
    path = binhost.fetch(item)
    binhost.fetch(item)
    assert hashed == ["SHA1"]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FetchError, match="not the one that the Packages index lists"):
        binhost.fetch(item)


def test_file_of_another_size_is_refused(pkgs, tmp_path):
    binhost = opened(pkgs, tmp_path)
    path = binhost.fetch(binhost.packages[0])
    path.write_bytes(b"short")
    with pytest.raises(FetchError) as caught:
        binhost.fetch(binhost.packages[0])
    assert caught.value.facts["size of the file"] == "5"


def test_missing_file_is_told(pkgs, tmp_path):
    binhost = opened(pkgs, tmp_path)
    (pkgs / SPECS[0].path).unlink()
    with pytest.raises(FetchError, match=r"no file for app-misc/jq-1\.7"):
        binhost.fetch(binhost.packages[0])


def test_location_that_cannot_be_is_refused(tmp_path):
    for location in ("ftp://server/pkgs", "ssh://x", "file://otherhost/pkgs"):
        with pytest.raises(UsageError):
            opened(location, tmp_path)
    with pytest.raises(FetchError, match="not a folder"):
        opened(tmp_path / "none", tmp_path)

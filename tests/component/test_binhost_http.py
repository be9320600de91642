"""A binhost on a real server that has a bad day."""

from __future__ import annotations

import threading

import pytest

from sysextlib.binpkg.binhost import Binhosts, open_binhost
from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.http import Http, Patience
from sysextlib.errors import FetchError, PackagesIndexError
from sysextlib.progress import Silent
from sysextlib.tree import file_entry
from tests.builders.binpkg import PackageSpec, index_block, index_bytes, write_binhost
from tests.builders.faulty_server import serving

SPECS = (
    PackageSpec(cpv="app-misc/jq-1.7", entries=(file_entry("usr/bin/jq", b"jq" * 9000),)),
    PackageSpec(cpv="sys-fs/zfs-2.4.3-r1", form="xpak", compression="bzip2", build_id=2),
)
JQ = "/app-misc/jq-1.7.gpkg.tar"


@pytest.fixture
def server(tmp_path):
    write_binhost(tmp_path / "pkgs", SPECS)
    with serving(tmp_path / "pkgs", etag='"one"') as (url, faults):
        yield url, faults


@pytest.fixture
def naps():
    return []


def opened(url, tmp_path, naps=None, **options):
    patience = Patience(timeout=0.5, sleep=(naps if naps is not None else []).append)
    return open_binhost(url, tmp_path / "cache", Silent(), http=Http(patience), **options)


def fetched(binhost, number=0):
    path = binhost.fetch(binhost.packages[number])
    assert open_binpkg(path).package.cpv == binhost.packages[number].package.cpv
    return path


def parts(tmp_path):
    return [p.name for p in (tmp_path / "cache/packages").iterdir() if p.name.endswith(".part")]


def test_packages_are_listed_and_fetched_once(server, tmp_path):
    url, faults = server
    binhost = opened(url + "/", tmp_path)
    assert [str(item.package) for item in binhost.packages] == [
        "app-misc/jq-1.7",
        "sys-fs/zfs-2.4.3-r1-2",
    ]
    first = fetched(binhost)
    assert fetched(binhost) == first
    assert fetched(opened(url, tmp_path)) == first
    assert first.name.startswith("sha1-")
    assert faults.paths() == ["/Packages.gz", JQ, "/Packages.gz"]
    assert fetched(binhost, 1).read_bytes() == (tmp_path / "pkgs" / SPECS[1].path).read_bytes()
    assert not parts(tmp_path)


def test_index_that_did_not_change_is_not_sent_again(server, tmp_path):
    url, faults = server
    opened(url, tmp_path)
    assert len(opened(url, tmp_path).packages) == 2
    assert faults.asked[1][1]["if-none-match"] == '"one"'


def test_plain_index_is_used_where_there_is_no_compressed_one(server, tmp_path):
    url, faults = server
    (tmp_path / "pkgs/Packages.gz").unlink()
    assert len(opened(url, tmp_path).packages) == 2
    assert len(opened(url, tmp_path).packages) == 2
    assert faults.paths() == ["/Packages.gz", "/Packages"] * 2


def test_server_without_an_index_is_told_by_its_answer(server, tmp_path):
    url, _ = server
    with pytest.raises(FetchError, match="does not have a Packages index") as caught:
        opened(url + "/none", tmp_path)
    assert caught.value.facts["answer"] == "HTTP 404"


def test_damaged_index_is_refused_and_not_kept(server, tmp_path):
    url, faults = server
    faults.script["/Packages.gz"] = ["flip"]
    with pytest.raises(PackagesIndexError):
        opened(url, tmp_path)
    assert not list((tmp_path / "cache").rglob("indexes/*"))
    assert len(opened(url, tmp_path).packages) == 2


def test_index_whose_copy_was_damaged_is_fetched_again(server, tmp_path):
    url, faults = server
    opened(url, tmp_path)
    (kept,) = (tmp_path / "cache/indexes").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert len(opened(url, tmp_path).packages) == 2
    assert "if-none-match" not in faults.asked[1][1]


@pytest.mark.parametrize("fault", [500, 502, 503, 429, "cut 100", "cut 0"])
def test_passing_faults_are_outlasted(server, tmp_path, naps, fault):
    url, faults = server
    faults.script["/Packages.gz"] = [fault, fault]
    faults.script[JQ] = [fault, fault]
    fetched(opened(url, tmp_path, naps))
    assert naps == [0.5, 1, 0.5, 1]


def test_server_that_falls_silent_is_left_after_the_timeout(server, tmp_path, naps):
    url, faults = server
    faults.script[JQ] = ["stall 1000"]
    fetched(opened(url, tmp_path, naps))
    assert naps == [0.5]
    assert faults.asked[-1][1]["range"] == "bytes=1000-"


def test_server_that_never_delivers_is_told_with_every_try(server, tmp_path, naps):
    url, faults = server
    binhost = opened(url, tmp_path, naps)
    faults.script[JQ] = [500, "cut 7", 503, "cut 9", 500]
    with pytest.raises(FetchError, match="did not deliver") as caught:
        fetched(binhost)
    assert caught.value.facts["tries"].splitlines()[::4] == [
        "1. HTTP 500 Internal Server Error",
        "5. HTTP 500 Internal Server Error",
    ]
    assert naps == [0.5, 1, 2, 4]


def test_server_that_is_not_there_is_told(tmp_path, naps):
    with pytest.raises(FetchError, match="did not deliver") as caught:
        opened("http://127.0.0.1:9/pkgs", tmp_path, naps)
    assert "refused" in caught.value.facts["tries"]


@pytest.mark.parametrize("code", [403, 404, 410, 401])
def test_missing_package_is_not_asked_for_again(server, tmp_path, naps, code):
    url, faults = server
    binhost = opened(url, tmp_path, naps)
    faults.script[JQ] = [code]
    with pytest.raises(FetchError, match=r"does not have the file of app-misc/jq-1\.7") as caught:
        fetched(binhost)
    assert caught.value.facts["answer"] == f"HTTP {code}"
    assert naps == []


def test_interrupted_download_goes_on_where_it_was(server, tmp_path):
    url, faults = server
    binhost = opened(url, tmp_path)
    faults.script[JQ] = ["cut 3000", "cut 2000", 500, 500, 500]
    with pytest.raises(FetchError):
        fetched(binhost)
    assert len(parts(tmp_path)) == 1
    fetched(opened(url, tmp_path))  # as another process would, later
    assert faults.asked[-1][1]["range"] == "bytes=5000-"
    assert not parts(tmp_path)


@pytest.mark.parametrize("fault", ["norange", "shift", 416])
def test_server_that_cannot_resume_sends_all(server, tmp_path, fault):
    url, faults = server
    faults.script[JQ] = ["cut 3000", fault]
    fetched(opened(url, tmp_path))


def test_whole_partial_file_is_not_downloaded_again(server, tmp_path):
    url, faults = server
    binhost = opened(url, tmp_path)
    path = fetched(binhost)
    path.rename(path.with_name(path.name + ".part"))
    fetched(opened(url, tmp_path))
    assert faults.paths().count(JQ) == 1


def test_wrong_bytes_are_fetched_once_more_and_never_kept(server, tmp_path):
    url, faults = server
    faults.script[JQ] = ["flip"]
    fetched(opened(url, tmp_path))
    faults.script["/" + SPECS[1].path] = ["flip", "flip"]
    binhost = opened(url, tmp_path)
    with pytest.raises(FetchError, match="not the one that the Packages index lists"):
        fetched(binhost, 1)
    names = [p.name for p in (tmp_path / "cache/packages").iterdir()]
    assert len([name for name in names if not name.endswith(".part")]) == 1
    fetched(binhost, 1)


def test_stale_partial_file_does_not_spoil_the_download(server, tmp_path):
    url, _ = server
    binhost = opened(url, tmp_path)
    folder = tmp_path / "cache/packages"
    folder.mkdir(parents=True)
    partial = folder / f"sha1-{binhost.packages[0].digests['SHA1']}.part"
    for stale in (b"x" * 50, b"x" * 10_000_000):
        partial.write_bytes(stale)
        fetched(binhost).unlink()


def test_file_that_is_larger_than_the_index_says_is_cut_off(server, tmp_path):
    url, faults = server
    binhost = opened(url, tmp_path)
    faults.script[JQ] = ["long"]
    with pytest.raises(FetchError, match="more than the file can have"):
        fetched(binhost)


def test_corrupt_cached_file_is_fetched_again(server, tmp_path):
    url, faults = server
    path = fetched(opened(url, tmp_path))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"x")
    assert fetched(opened(url, tmp_path)).read_bytes() == data
    assert faults.paths().count(JQ) == 2


def test_redirects_are_followed_up_to_a_limit(server, tmp_path):
    url, faults = server
    faults.script[JQ] = [f"to {url}{JQ}?1"]
    faults.script[f"{JQ}?1"] = [f"to {url}{JQ}?2"]
    fetched(opened(url, tmp_path))
    faults.script["/Packages.gz"] = [f"to {url}/Packages.gz"] * 9
    with pytest.raises(FetchError, match="without end"):
        opened(url, tmp_path)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/"])
def test_redirect_to_another_scheme_is_refused(server, tmp_path, target):
    url, faults = server
    faults.script["/Packages.gz"] = [f"to {target}"]
    with pytest.raises(FetchError, match="where it may not"):
        opened(url, tmp_path)


def test_offline_build_uses_the_cache_alone(server, tmp_path):
    url, faults = server
    with pytest.raises(FetchError, match="offline"):
        opened(url, tmp_path, offline=True)
    path = fetched(opened(url, tmp_path))
    asked = len(faults.asked)
    binhost = opened(url, tmp_path, offline=True)
    assert fetched(binhost) == path
    with pytest.raises(FetchError, match=r"zfs-2\.4\.3-r1-2 is not in the cache"):
        fetched(binhost, 1)
    assert len(faults.asked) == asked


def test_two_builds_that_want_one_package_download_it_once(server, tmp_path):
    url, faults = server
    faults.script[JQ] = ["cut 3000"]
    binhosts = [opened(url, tmp_path) for _ in range(6)]
    results = []
    threads = [threading.Thread(target=lambda b=b: results.append(fetched(b))) for b in binhosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 6
    assert len(set(results)) == 1
    assert faults.paths().count(JQ) == 2  # the one that broke, and its rest


def test_index_without_digests_is_not_trusted(tmp_path):
    block = index_block(SPECS[0], b"data")
    del block["MD5"], block["SHA1"]
    (tmp_path / "pkgs").mkdir()
    (tmp_path / "pkgs/Packages").write_bytes(index_bytes([block]))
    with serving(tmp_path / "pkgs") as (url, _):
        binhost = opened(url, tmp_path)
        with pytest.raises(PackagesIndexError, match="no size or digest"):
            binhost.fetch(binhost.packages[0])


def test_header_can_name_another_server_for_the_files(server, tmp_path):
    url, faults = server
    block = index_block(SPECS[0], (tmp_path / "pkgs" / SPECS[0].path).read_bytes())
    (tmp_path / "index").mkdir()
    (tmp_path / "index/Packages").write_bytes(index_bytes([block], {"URI": url}))
    with serving(tmp_path / "index") as (other, _):
        fetched(opened(other, tmp_path))
    assert faults.paths() == [JQ]


def test_of_several_binhosts_the_first_that_has_a_package_counts(server, tmp_path):
    url, faults = server
    local = write_binhost(tmp_path / "local", SPECS[:1])
    both = Binhosts((opened(str(local), tmp_path), opened(url, tmp_path)))
    assert len(both.packages) == 2
    jq = both.find(both.packages[0].package)
    assert both.fetch(jq) == local / SPECS[0].path
    assert both.binhost_of(both.packages[1]).location == url
    assert JQ not in faults.paths()


def test_a_plus_in_a_place_is_not_taken_for_a_space(tmp_path):
    specs = [PackageSpec(cpv="dev-libs/libsigc++-2.12", build_id=3)]
    write_binhost(tmp_path / "boards/4593.2.0+nightly 1/pkgs", specs)
    with serving(tmp_path / "boards") as (url, faults):
        fetched(opened(f"{url}/4593.2.0+nightly%201/pkgs", tmp_path))
    assert {address.rpartition("/pkgs/")[0] for address in faults.addresses} == {
        "/4593.2.0%2Bnightly%201"
    }
    assert "libsigc%2B%2B" in faults.addresses[-1]

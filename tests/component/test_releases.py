"""Releases from a real server with the layout of real ones, signed by a real OpenPGP key."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.binpkg.http import Http, Patience
from sysextlib.board import Board, Releases, ReleaseServer, load_board
from sysextlib.errors import BoardError, FetchError, SysextError, UsageError, VerifyError
from sysextlib.progress import Silent
from sysextlib.releases import ReleaseStore
from sysextlib.system.gpgv import require_signature
from tests.builders.faulty_server import Faults, serving
from tests.builders.gpg import GpgKey
from tests.builders.needs import require_tool

pytestmark = pytest.mark.tool
ROOT = Path(__file__).parents[2]
IMAGE = "flatcar_production_image_sysext.squashfs"
VERSIONS = {"alpha": ["4600.0.0"], "stable": ["4593.2.0", "4593.2.10", "4593.2.9"]}
NIGHTLY = "4799.0.0+nightly-20260821-2100"
PATH = f"/stable/amd64-usr/4593.2.0/{IMAGE}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpgKey]:
    require_tool("gpg", "gpgv")
    made = GpgKey.make(tmp_path_factory.mktemp("gpg"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(key: GpgKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for channel, versions in VERSIONS.items():
        above = folder / channel / "amd64-usr"
        for version in versions:
            publish(above / version, version, key)
        shown = [*versions, "current", "1." + "9" * 5000]
        (above / "index.html").write_text("".join(f'<a href="./{v}/">{v}/</a>\n' for v in shown))
        current = above / "current/version.txt"
        current.parent.mkdir()
        current.write_text(f'FLATCAR_VERSION={versions[0]}\nFLATCAR_VERSION_ID={versions[0]}\n'
                           'FLATCAR_BUILD_ID="2026-01-01-0000"\n')  # fmt: skip
        key.sign(current)
    publish(folder / "images/amd64" / NIGHTLY, NIGHTLY, key)
    return folder


def publish(folder: Path, version: str, key: GpgKey) -> None:
    folder.mkdir(parents=True)
    image = folder / IMAGE
    image.write_bytes(f"image of {version}\n".encode() * 5000)
    key.sign(image)


@pytest.fixture
def server(site: Path) -> Iterator[tuple[str, Faults]]:
    with serving(site) as (url, faults):
        yield url, faults


def board_of(url: str, key: GpgKey) -> Board:
    servers = (
        ReleaseServer(
            base_image=url + "/{channel}/{board}/{version}/" + IMAGE,
            binhost=url + "/boards/{board}/{version}/pkgs",
        ),
        ReleaseServer(
            base_image=url + "/images/{arch}/{version}/" + IMAGE,
            binhost=url + "/cache/{board}/{version}/pkgs",
        ),
    )
    releases = Releases(
        signing_key=str(key.public),
        channels=("alpha", "beta", "stable"),
        default_channel="stable",
        servers=servers,
    )
    return replace(load_board("amd64-usr", ROOT), releases=releases)


@pytest.fixture
def board(server: tuple[str, Faults], key: GpgKey) -> Board:
    return board_of(server[0], key)


def store(board: Board, cache: Path, *, offline: bool = False) -> ReleaseStore:
    patience = Patience(waits=(0, 0), timeout=0.4, sleep=lambda _: None)
    return ReleaseStore(board, cache, Silent(), offline=offline, http=Http(patience))


def files(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*") if path.is_file()}


def test_a_release_comes_with_its_packages_from_the_channel_that_its_number_names(
    board, server, tmp_path
):
    url, faults = server
    release = store(board, tmp_path).fetch("4593.2.0")
    assert release.base_image.read_bytes().startswith(b"image of 4593.2.0")
    assert release.binhost == f"{url}/boards/amd64-usr/4593.2.0/pkgs"
    assert faults.paths() == [PATH + ".sig", PATH]


def test_a_release_in_another_channel_than_its_number_names_is_found(board, server, site, key):
    publish(site / "beta/amd64-usr/4601.2.0", "4601.2.0", key)
    assert store(board, site.parent / "cache-b").fetch("4601.2.0").version == "4601.2.0"
    assert [path.split("/")[1] for path in server[1].paths()] == ["stable", "alpha", "beta", "beta"]


def test_a_nightly_is_found_where_nightlies_are_with_its_plus_sign(board, server, tmp_path):
    release = store(board, tmp_path).fetch(NIGHTLY)
    assert release.base_image.read_bytes().startswith(f"image of {NIGHTLY}".encode())
    assert release.binhost == f"{server[0]}/cache/amd64-usr/{NIGHTLY}/pkgs"


def test_the_newest_of_a_channel_is_what_its_signed_version_file_says(board, tmp_path):
    assert store(board, tmp_path).of_channel("stable") == "4593.2.0"


def test_the_second_time_no_server_is_asked(board, server, tmp_path):
    first = store(board, tmp_path).fetch("4593.2.0")
    asked = len(server[1].asked)
    assert store(board, tmp_path).fetch("4593.2.0") == first
    assert store(board, tmp_path, offline=True).fetch("4593.2.0") == first
    assert len(server[1].asked) == asked


def test_offline_names_what_is_in_the_cache(board, server, tmp_path):
    store(board, tmp_path).fetch("4593.2.0")
    asked = len(server[1].asked)
    with pytest.raises(FetchError) as caught:
        store(board, tmp_path, offline=True).fetch("4593.2.9")
    assert caught.value.facts["in the cache"] == "4593.2.0"
    with pytest.raises(FetchError, match="channel stable"):
        store(board, tmp_path, offline=True).of_channel("stable")
    assert len(server[1].asked) == asked


def test_a_version_that_does_not_exist_is_answered_with_the_newest_that_do(
    board, site, server, tmp_path
):
    listing = site / "stable/amd64-usr/index.html"
    with serving_index(site) as (url, _):
        board = board_of(url, GpgKey(site, Path(board.releases.signing_key)))
        assert listing.exists()
        with pytest.raises(FetchError, match=r"no release 4593\.2\.7") as caught:
            store(board, tmp_path).fetch("4593.2.7")
    newest = caught.value.facts["newest on the servers"]
    assert newest == "4600.0.0, 4593.2.10, 4593.2.9, 4593.2.0"


def serving_index(site: Path):
    """Serve the listings too: the server's folders have an index.html."""
    for listing in site.glob("*/amd64-usr/index.html"):
        target = site / "listed" / listing.parent.parent.name / "amd64-usr"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_bytes(listing.read_bytes())
    return serving(site / "listed")


def test_without_a_listing_the_cache_answers(board, tmp_path):
    store(board, tmp_path).fetch("4593.2.9")
    with pytest.raises(FetchError) as caught:
        store(board, tmp_path).fetch("9999.2.0")
    assert caught.value.facts["in the cache"] == "4593.2.9"


@pytest.mark.parametrize("fault", [500, 503, "cut 1000", "stall 1000", "norange", "shift"])
def test_a_server_with_a_bad_moment_is_asked_again(board, server, tmp_path, fault):
    server[1].script[PATH] = ["cut 500", fault] if fault in {"norange", "shift"} else [fault]
    release = store(board, tmp_path).fetch("4593.2.0")
    assert len(release.base_image.read_bytes()) == 18 * 5000


@pytest.mark.parametrize("fault", [500, "cut 1000", "stall 1000"])
def test_a_server_that_stays_bad_is_an_error_and_the_next_call_goes_on(
    board, server, tmp_path, fault
):
    server[1].script[PATH] = ["cut 700", fault, fault]
    with pytest.raises(FetchError, match=IMAGE) as caught:
        store(board, tmp_path).fetch("4593.2.0")
    assert PATH in caught.value.facts["url"]
    assert IMAGE not in files(tmp_path)
    store(board, tmp_path).fetch("4593.2.0")
    assert server[1].asked[-1][1]["range"].startswith("bytes=")


def test_an_image_that_another_replaced_half_way_is_fetched_whole(board, server, tmp_path):
    folder = tmp_path / "releases/amd64-usr/4593.2.0"
    folder.mkdir(parents=True)
    (folder / (IMAGE + ".part")).write_bytes(b"of another image")
    release = store(board, tmp_path).fetch("4593.2.0")
    assert release.base_image.read_bytes().startswith(b"image of 4593.2.0")


def test_a_refused_signature_is_final_and_leaves_nothing(board, server, tmp_path):
    server[1].script[PATH] = ["flip"]
    with pytest.raises(VerifyError, match="not signed by the board's key") as caught:
        store(board, tmp_path).fetch("4593.2.0")
    assert caught.value.exit_code == 20
    assert "another than the one that was signed" in caught.value.facts["gpgv says"]
    assert server[1].paths() == [PATH + ".sig", PATH]
    assert files(tmp_path) == set()


def test_the_signature_of_another_file_is_refused(board, server, site, tmp_path):
    other = f"/stable/amd64-usr/4593.2.9/{IMAGE}.sig"
    server[1].script[PATH + ".sig"] = [f"to {server[0]}{other}"]
    with pytest.raises(VerifyError):
        store(board, tmp_path).fetch("4593.2.0")
    assert files(tmp_path) == set()


def test_an_image_without_a_signature_counts_as_none(board, server, tmp_path):
    server[1].script[PATH + ".sig"] = [404]
    with pytest.raises(FetchError, match="no release"):
        store(board, tmp_path).fetch("4593.2.0")


def test_a_version_file_with_anothers_signature_is_refused(board, server, tmp_path):
    server[1].script["/stable/amd64-usr/current/version.txt"] = ["flip"]
    with pytest.raises(VerifyError, match=r"version\.txt is not signed"):
        store(board, tmp_path).of_channel("stable")


def test_a_stranger_s_key_is_refused_and_named(board, server, tmp_path):
    stranger = GpgKey.make(tmp_path / "stranger")
    stranger.close()
    assert board.releases is not None
    releases = replace(board.releases, signing_key=str(stranger.public))
    with pytest.raises(VerifyError) as caught:
        store(replace(board, releases=releases), tmp_path / "cache").fetch("4593.2.0")
    assert "not among the keys" in caught.value.facts["gpgv says"]


def test_what_the_disk_damaged_is_fetched_again_and_refused_offline(board, tmp_path):
    image = store(board, tmp_path).fetch("4593.2.0").base_image
    image.write_bytes(b"rotten")
    assert store(board, tmp_path).fetch("4593.2.0").base_image.stat().st_size == 18 * 5000
    image.write_bytes(b"rotten")
    with pytest.raises(VerifyError):
        store(board, tmp_path, offline=True).fetch("4593.2.0")


def test_a_server_that_answers_nonsense_is_told(board, server, tmp_path):
    server[1].script[PATH] = [418]
    with pytest.raises(FetchError) as caught:
        store(board, tmp_path).fetch("4593.2.0")
    assert caught.value.facts["answer"] == "HTTP 418"


@pytest.mark.parametrize("version", ["../4593.2.0", "current", "4593", "4593.2.0/x", "4593.2.0 "])
def test_what_is_no_version_never_reaches_a_server(board, server, tmp_path, version):
    with pytest.raises(UsageError):
        store(board, tmp_path).fetch(version)
    assert server[1].asked == []


def test_an_unknown_channel_is_answered_with_the_nearest(board, tmp_path):
    with pytest.raises(UsageError, match="did you mean stable"):
        store(board, tmp_path).of_channel("stabel")


def test_a_board_without_releases_says_so(tmp_path):
    with pytest.raises(BoardError, match="has no releases"):
        store(load_board("demo-amd64", ROOT), tmp_path)


@pytest.mark.parametrize("text", [None, b"", b"not a key", b"-----BEGIN PGP PUBLIC KEY BLOCK-----"])
def test_a_key_file_that_is_none_is_told_with_its_place(board, tmp_path, text):
    path = tmp_path / "board.asc"
    if text is not None:
        path.write_bytes(text)
    assert board.releases is not None
    broken = replace(board, releases=replace(board.releases, signing_key=str(path)))
    with pytest.raises(BoardError, match=r"board\.asc"):
        store(broken, tmp_path / "cache").fetch("4593.2.0")


def test_a_signature_outlives_the_subkey_that_made_it(tmp_path):
    require_tool("gpg", "gpgv")
    key = GpgKey.make(tmp_path / "k", subkey_life="seconds=2")
    file = tmp_path / "f"
    file.write_bytes(b"x")
    signature = key.sign(file)
    key.close()
    time.sleep(2.5)
    assert require_signature(file, signature, key.public)
    file.write_bytes(b"y")
    with pytest.raises(SysextError):
        require_signature(file, signature, key.public)


def test_flatcar_s_key_is_there_for_its_boards_and_can_be_read(tmp_path, key):
    file = tmp_path / "f"
    file.write_bytes(b"x")
    signature = key.sign(file)
    for name in ("amd64-usr", "arm64-usr"):
        releases = load_board(name, ROOT).releases
        assert releases is not None
        with pytest.raises(VerifyError) as caught:
            require_signature(file, signature, Path(releases.signing_key))
        assert "not among the keys" in caught.value.facts["gpgv says"]

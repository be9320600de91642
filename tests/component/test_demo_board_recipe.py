"""The demo board's files agree with each other, and its cache behaves; nothing is built here."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from ci.demo_board.base_root import IMAGE, VERSION_FILE, os_release, version_file
from ci.demo_board.build import kernel_version, rename_ebuilds, split
from ci.demo_board.cache import BoardCache, combine, link_board
from ci.demo_board.debs import KERNEL_NAMES, Deb, DebStore, choose_debs, read_lock, render_lock
from ci.demo_board.receipt import Terminal
from ci.demo_board.recipe import CHECKOUT, FOLDER, LOCK, gentoo_version, load_recipe
from sysextlib.errors import BoardError, VersionMismatchError
from sysextlib.made_from import RECORD, require_unchanged
from sysextlib.system.run import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def recipe_debs() -> tuple[Deb, ...]:
    return read_lock(LOCK)


@pytest.mark.parametrize(
    ("debian", "gentoo"),
    [
        ("257.13-1~deb13u1", "257.13"),
        ("2:12.5.0-2+deb13u1", "12.5.0"),
        ("1.7.24~ds1-6+deb13u1", "1.7.24"),
        ("26.1.5+dfsg1-9", "26.1.5"),
        ("0.0~git20250503.587980c-2", "0.0_p20250503"),
        ("0.0~2025.06.09-1", "0.0_p20250609"),
        ("6.5+20250216-2", "6.5_p20250216"),
        ("2026c-0+deb13u1", "2026c"),
        ("3.1-20250104-1", "3.1"),
        ("668-1", "668"),
        ("13.0.0", "13.0.0"),
    ],
)
def test_debian_version_becomes_a_version_that_gentoo_can_order(debian: str, gentoo: str) -> None:
    assert gentoo_version(debian) == gentoo


def test_debian_version_without_a_number_is_refused() -> None:
    with pytest.raises(BoardError):
        gentoo_version("none")


def test_lock_names_exactly_the_packages_that_the_ebuilds_and_the_build_root_want(
    recipe_debs: tuple[Deb, ...],
) -> None:
    assert {deb.alias for deb in recipe_debs} == set(load_recipe().wanted_debs)


def test_lock_survives_being_read_and_written(recipe_debs: tuple[Deb, ...]) -> None:
    assert render_lock(recipe_debs) == LOCK.read_text()


def test_every_ebuild_bears_the_version_of_the_debian_package_it_repackages(
    recipe_debs: tuple[Deb, ...],
) -> None:
    versions = {deb.alias: gentoo_version(deb.version) for deb in recipe_debs}
    wrong = {}
    for name, debs in load_recipe().debs.items():
        (ebuild,) = (FOLDER / "overlay" / name).glob("*.ebuild")
        expected = f"{ebuild.parent.name}-{versions[debs[0]]}" if debs else ebuild.stem
        if ebuild.stem != expected:
            wrong[ebuild.stem] = expected
    assert wrong == {}


def test_packages_of_one_kernel_are_locked_together(recipe_debs: tuple[Deb, ...]) -> None:
    kernel = kernel_version(recipe_debs).removesuffix("-cloud-amd64")
    for deb in recipe_debs:
        if deb.alias in KERNEL_NAMES:
            assert deb.name == KERNEL_NAMES[deb.alias].format(kernel)


def test_portage_masks_what_board_toml_masks() -> None:
    board = tomllib.loads((FOLDER / "board.toml").read_text())
    found = re.search(r'^INSTALL_MASK="([^"]*)"', (FOLDER / "make.conf").read_text(), re.MULTILINE)
    assert found is not None
    assert found.group(1).split() == board["install_mask"]


def test_every_licence_and_category_that_an_ebuild_names_is_known_to_the_overlay() -> None:
    overlay = FOLDER / "overlay"
    categories = (overlay / "profiles/categories").read_text().split()
    assert categories == sorted({path.parent.parent.name for path in overlay.glob("*/*/*.ebuild")})
    licences = {path.name for path in (overlay / "licenses").iterdir()}
    for ebuild in overlay.glob("*/*/*.ebuild"):
        found = re.search(r'^LICENSE="([^"]*)"', ebuild.read_text(), re.MULTILINE)
        assert set(found.group(1).split() if found else ()) <= licences, ebuild


def test_build_toml_that_names_an_unknown_package_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "build.toml").read_text()
    (tmp_path / "build.toml").write_text(text)
    (tmp_path / "board.toml").write_text('os_id = "sysext-demo"')
    with pytest.raises(BoardError, match="packages that the overlay does not have"):
        load_recipe(tmp_path)


def test_base_and_extension_packages_are_told_apart_by_the_base_package() -> None:
    base, extension = split(load_recipe(), FOLDER / "overlay")
    assert "sys-apps/systemd" in base
    assert "app-containers/docker" in extension
    assert not set(base) & set(extension)


def test_renaming_follows_a_mirror_that_moved(tmp_path: Path) -> None:
    recipe = load_recipe()
    folder = tmp_path / "sys-apps/sed"
    folder.mkdir(parents=True)
    (folder / "sed-4.9.ebuild").touch()
    versions = {alias: "1.0-1" for alias in recipe.wanted_debs} | {"sed": "4.10-1"}
    debs = [Deb(alias, alias, version, "") for alias, version in versions.items()]
    rename_ebuilds(tmp_path, recipe, debs)
    assert [path.name for path in folder.iterdir()] == ["sed-4.10.ebuild"]


def test_release_files_agree_on_the_version() -> None:
    recipe = load_recipe()
    assert f"VERSION={recipe.version}\n" in os_release(recipe)
    assert f"FLATCAR_VERSION={recipe.version}\n" in version_file(recipe)


def finished_board(cache: BoardCache, key: str, image: bytes = b"image") -> Path:
    """Return a folder that looks like a finished board of the cache."""
    board = cache.folder / key
    (board / "packages").mkdir(parents=True)
    (board / IMAGE).write_bytes(image)
    (board / VERSION_FILE).write_text("FLATCAR_VERSION=1.0.0\n")
    return board


def test_linked_image_really_lies_in_the_checkout_not_in_the_cache(tmp_path: Path) -> None:
    board = finished_board(BoardCache(tmp_path / "cache"), "one")
    folder = link_board(board, tmp_path / "out", "1.0.0")
    assert (tmp_path / "out/images/demo-amd64/latest" / IMAGE).resolve() == folder / IMAGE
    assert (folder / IMAGE).samefile(board / IMAGE)
    assert (tmp_path / "out/packages/demo-amd64").resolve() == board / "packages"


def test_linked_board_tells_what_of_the_checkout_it_was_made_from(tmp_path: Path) -> None:
    folder = link_board(finished_board(BoardCache(tmp_path), "one"), tmp_path / "out", "1.0.0")
    require_unchanged(folder / IMAGE, CHECKOUT)
    argv = ["sha256sum", "--check", "--strict", "--quiet", folder / RECORD]
    run(argv, cwd=CHECKOUT)
    copy = tmp_path / "checkout"
    for place in (FOLDER, CHECKOUT / "ci/demo_board"):
        shutil.copytree(place, copy / place.relative_to(CHECKOUT))
    (copy / FOLDER.relative_to(CHECKOUT) / "README.md").write_text("decides nothing\n")
    require_unchanged(folder / IMAGE, copy)
    (copy / LOCK.relative_to(CHECKOUT)).write_text("")
    with pytest.raises(VersionMismatchError, match="made from other files") as caught:
        require_unchanged(folder / IMAGE, copy)
    assert caught.value.hint == "run ci/make-demo-board"


def test_linking_another_board_replaces_the_links_and_keeps_what_was_built_beside_them(
    tmp_path: Path,
) -> None:
    cache = BoardCache(tmp_path / "cache")
    folder = link_board(finished_board(cache, "one"), tmp_path / "out", "1.0.0")
    (folder / "sysext").mkdir()
    link_board(finished_board(cache, "two", b"other"), tmp_path / "out", "1.0.0")
    assert (folder / IMAGE).read_bytes() == b"other"
    assert (tmp_path / "out/packages/demo-amd64").resolve().parent.name == "two"
    found = sorted(path.name for path in folder.iterdir())
    assert found == [IMAGE, RECORD, "sysext", VERSION_FILE]


def test_board_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    cache = BoardCache(tmp_path)
    with contextlib.suppress(RuntimeError), cache.alone(Terminal()), cache.new("key") as (out, _):
        (out / VERSION_FILE).touch()
        raise RuntimeError
    assert cache.finished("key") is None
    with cache.alone(Terminal()), cache.new("key") as (out, _):
        (out / VERSION_FILE).touch()
    assert cache.finished("key") == cache.folder / "key"


def test_next_run_removes_what_a_killed_one_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = BoardCache(tmp_path)
    (cache.folder / ".new-killed/work").mkdir(parents=True)
    with cache.alone(Terminal()):
        assert not (cache.folder / ".new-killed").exists()
    assert "which a killed run left" in capsys.readouterr().out


def test_lock_file_leads_to_its_board_without_a_mirror(tmp_path: Path) -> None:
    cache = BoardCache(tmp_path)
    board = finished_board(cache, "key")
    assert cache.find("lock") is None
    cache.note("lock", "key")
    assert cache.find("lock") == board


def test_only_the_boards_used_last_stay_in_the_cache(tmp_path: Path) -> None:
    cache = BoardCache(tmp_path)
    for number in range(4):
        board = finished_board(cache, f"old-{number}")
        os.utime(board, (number, number))
    with cache.alone(Terminal()), cache.new("new") as (out, _):
        (out / VERSION_FILE).touch()
    kept = {path.parent.name for path in cache.folder.glob(f"*/{VERSION_FILE}")}
    assert kept == {"new", "old-2", "old-3"}


def test_digest_of_parts_depends_on_where_they_end() -> None:
    assert combine("ab", "c") != combine("a", "bc")


class Mirror(DebStore):
    """A store whose mirror has what a test says."""

    def __init__(self, folder: Path, *debs: Deb) -> None:
        super().__init__(folder, "suite", "amd64")
        self.debs = debs
        self.asked = 0

    def current(self, aliases: object) -> tuple[Deb, ...]:
        self.asked += 1
        return self.debs


def versions(*texts: str) -> tuple[Deb, ...]:
    return tuple(Deb(n, n, text, f"{n}-{text}") for n, text in zip("ab", texts, strict=True))


def test_debs_in_the_cache_need_no_mirror(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path, *versions("2", "2"))
    for deb in versions("1", "1"):
        mirror.path(deb).touch()
    assert choose_debs(mirror, "ab", versions("1", "1"), Terminal()) == versions("1", "1")
    assert mirror.asked == 0


def test_locked_debs_that_the_mirror_still_has_are_taken(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path, *versions("2", "1"))
    mirror.path(versions("1", "1")[0]).touch()
    assert choose_debs(mirror, "ab", versions("1", "1"), Terminal()) == versions("1", "1")


def test_when_one_locked_deb_is_lost_all_are_taken_as_the_mirror_has_them_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = Mirror(tmp_path, *versions("2", "2"))
    mirror.path(versions("1", "1")[0]).touch()
    assert choose_debs(mirror, "ab", versions("1", "1"), Terminal()) == versions("2", "2")
    said = capsys.readouterr().out
    assert "the mirror has moved: 2 packages" in said
    assert "b 1 -> 2" in said


def test_lock_that_lacks_a_package_is_not_used(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path, *versions("2", "2"))
    assert choose_debs(mirror, "ab", versions("1", "1")[:1], Terminal()) == versions("2", "2")

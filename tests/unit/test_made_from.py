"""A board that was made from other files than the checkout has now."""

import hashlib

import pytest

from sysextlib.errors import BoardError, VersionMismatchError
from sysextlib.made_from import RECORD, require_unchanged


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "board/ebuilds").mkdir(parents=True)
    (tmp_path / "board/settings").write_text("1\n")
    (tmp_path / "board/ebuilds/a").write_text("a\n")
    (tmp_path / "image").mkdir()
    lines = ["# made by ci/make-it", "# all of board/ebuilds"]
    for name in ("board/settings", "board/ebuilds/a"):
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        lines.append(f"{digest}  {name}")
    (tmp_path / "image" / RECORD).write_text("\n".join(lines) + "\n")
    return tmp_path


def require(checkout):
    require_unchanged(checkout / "image/base.squashfs", checkout)


def test_a_checkout_as_it_was_passes(checkout):
    require(checkout)
    (checkout / "board/other").write_text("decides nothing\n")
    require(checkout)


def test_a_base_image_without_a_record_passes(checkout):
    (checkout / "image" / RECORD).unlink()
    (checkout / "board/settings").write_text("2\n")
    require(checkout)


def test_files_that_changed_went_or_came_are_named_with_who_makes_the_board(checkout):
    (checkout / "board/settings").write_text("2\n")
    (checkout / "board/ebuilds/a").rename(checkout / "board/ebuilds/b")
    with pytest.raises(VersionMismatchError, match="made from other files") as caught:
        require(checkout)
    names = ["board/settings", "board/ebuilds/a", "board/ebuilds/b"]
    assert caught.value.facts["not as then"].splitlines() == names
    assert caught.value.hint == "run ci/make-it"


def test_of_many_files_the_first_are_named(checkout):
    for number in range(9):
        (checkout / f"board/ebuilds/n{number}").write_text("")
    with pytest.raises(VersionMismatchError) as caught:
        require(checkout)
    assert caught.value.facts["not as then"].splitlines()[-2:] == ["board/ebuilds/n4", "and 4 more"]


@pytest.mark.parametrize(
    "line", ["x  board/settings", f"{'0' * 64}  ../settings", f"{'0' * 64}  /etc/passwd", "text"]
)
def test_a_record_that_is_none_is_refused(checkout, line):
    (checkout / "image" / RECORD).write_text(f"{line}\n")
    with pytest.raises(BoardError, match="is damaged"):
        require(checkout)

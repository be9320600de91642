"""board_overlays/NAME: read strictly, places made absolute, package.use as portage(5) has it."""

import re
from pathlib import Path

import pytest

from sysextlib.board import Board, board_names, load_board
from sysextlib.errors import BoardError
from sysextlib.gentoo.arch import Arch
from sysextlib.toml_reader import toml_keys
from tests.builders.definition import BOARD, write_board

ROOT = Path(__file__).parents[2]


def test_places_have_the_board_filled_in_and_are_relative_to_the_checkout(tmp_path):
    write_board(tmp_path)
    board = load_board("demo-amd64", tmp_path)
    assert board.base_image_paths() == (tmp_path / "images/demo-amd64/base.squashfs",)
    assert board.binhosts == (
        str(tmp_path / "packages/demo-amd64"),
        "https://example.org/demo-amd64/pkgs",
    )
    assert board.version_file is None


def test_an_unknown_board_is_refused_with_the_nearest(tmp_path):
    write_board(tmp_path)
    write_board(tmp_path, "amd64-usr")
    with pytest.raises(BoardError, match="did you mean amd64-usr") as caught:
        load_board("amd64_usr", tmp_path)
    assert caught.value.exit_code == 4


def test_a_name_that_leaves_the_folder_is_an_unknown_board(tmp_path):
    write_board(tmp_path)
    with pytest.raises(BoardError, match="no board called"):
        load_board("../board_overlays/demo-amd64", tmp_path)


def test_an_unknown_key_is_refused_with_the_nearest(tmp_path):
    write_board(tmp_path, text=BOARD + 'binhost = "x"\n')
    with pytest.raises(BoardError, match="did you mean binhosts"):
        load_board("demo-amd64", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "brief"),
    [
        ("packages/{board}", "packages/{bord}", "unknown place {bord}"),
        ("packages/{board}", "packages/\\u0000", "a place cannot hold a NUL character"),
        ('arch = "amd64"', 'arch = "x86-64"', "unknown value 'x86-64'"),
        ('chost = "x86_64-pc-linux-gnu"\n', "", "missing key 'chost'"),
        ('os_id = "demo"', "os_id = 7", "os_id must be a string, not a number"),
        (
            'base_images = ["images/{board}/base.squashfs"]',
            "base_images = [1]",
            "base_images[0] must",
        ),
        ('os_id = "demo"', 'os_id = "demo"\nversion_file = 1', "version_file must be a string"),
    ],
)
def test_a_board_that_cannot_be_is_refused(tmp_path, old, new, brief):
    write_board(tmp_path, text=BOARD.replace(old, new))
    with pytest.raises(BoardError, match=re.escape(brief)):
        load_board("demo-amd64", tmp_path)


RELEASES = """
[releases]
signing_key = "keys/a.asc"
channels = ["alpha", "stable"]
default_channel = "stable"
[[releases.servers]]
base_image = "https://example.org/{channel}/{board}/{version}/x.squashfs"
binhost = "https://example.org/{board}/{version}/pkgs"
"""


def test_releases_have_a_key_and_servers_that_name_the_version(tmp_path):
    write_board(tmp_path, text=BOARD + RELEASES)
    releases = load_board("demo-amd64", tmp_path).releases
    assert releases is not None
    assert releases.signing_key == str(tmp_path / "keys/a.asc")
    assert releases.servers[0].binhost == "https://example.org/{board}/{version}/pkgs"


@pytest.mark.parametrize(
    ("old", "new", "brief"),
    [
        ("{version}/x", "{verison}/x", "did you mean version?"),
        ("{version}/pkgs", "pkgs", "lacks {version}"),
        ("https://example.org/{board}", "ftp://example.org/{board}", "is no URL of a web server"),
        ('default_channel = "stable"', 'default_channel = "lts"', "is not among channels"),
        ('signing_key = "keys/a.asc"\n', "", "missing key 'signing_key'"),
        ('signing_key = "keys/a.asc"', 'signing_kye = "a"', "did you mean signing_key?"),
    ],
)
def test_releases_that_cannot_be_are_refused(tmp_path, old, new, brief):
    write_board(tmp_path, text=BOARD + RELEASES.replace(old, new))
    with pytest.raises(BoardError, match=re.escape(brief)):
        load_board("demo-amd64", tmp_path)


def test_package_use_is_read_in_its_order_without_comments(tmp_path):
    folder = write_board(tmp_path)
    (folder / "package.use").write_text("# all\n*/* a\n\napp-misc/b x -y # why\n")
    uses = load_board("demo-amd64", tmp_path).package_use
    assert [(str(use.atom), use.flags) for use in uses] == [
        ("*/*", ("a",)),
        ("app-misc/b", ("x", "-y")),
    ]


def test_package_use_may_be_a_folder_and_expand_prefixes(tmp_path):
    folder = write_board(tmp_path) / "package.use"
    folder.mkdir()
    (folder / "20").write_text("app-misc/b x\n")
    (folder / "10").write_text("app-misc/a y PYTHON_TARGETS: -python3_12 python3_13\n")
    uses = load_board("demo-amd64", tmp_path).package_use
    assert [use.flags for use in uses] == [
        ("y", "-python_targets_python3_12", "python_targets_python3_13"),
        ("x",),
    ]


@pytest.mark.parametrize("line", ["app-misc x", "app-misc/b --x", ">=app-misc/b x"])
def test_a_bad_line_of_package_use_is_named_by_its_number(tmp_path, line):
    folder = write_board(tmp_path)
    (folder / "package.use").write_text(f"app-misc/a x\n{line}\n")
    with pytest.raises(BoardError) as caught:
        load_board("demo-amd64", tmp_path)
    assert caught.value.facts["line"] == "2"


@pytest.mark.parametrize(
    ("name", "arch"),
    [("amd64-usr", Arch.AMD64), ("arm64-usr", Arch.ARM64), ("demo-amd64", Arch.AMD64)],
)
def test_every_board_of_the_project_is_right(name, arch):
    assert name in board_names(ROOT)
    assert load_board(name, ROOT).arch is arch


def test_the_readme_documents_every_key_and_no_other():
    text = (ROOT / "board_overlays/README.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \| .* \| .* \| .* \|$", text, re.MULTILINE))
    assert documented == set(toml_keys(Board))


def test_package_provided_is_read_beside_the_board(tmp_path):
    folder = write_board(tmp_path)
    (folder / "package.provided").write_text("# nobody has them\n\nvirtual/mta-1 # why\n")
    assert [str(cpv) for cpv in load_board("demo-amd64", tmp_path).provided] == ["virtual/mta-1"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [("virtual/mta", "is no"), ("a/b-1 a/c-1", "one package on a line"), (">=a/b-1", "is no")],
)
def test_a_bad_line_of_package_provided_is_named_by_its_number(tmp_path, line, fault):
    folder = write_board(tmp_path)
    (folder / "package.provided").write_text(f"\n{line}\n")
    with pytest.raises(BoardError, match=fault) as caught:
        load_board("demo-amd64", tmp_path)
    assert caught.value.facts["line"] == "2"

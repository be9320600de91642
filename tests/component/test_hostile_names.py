"""What an image says of itself is shown, and never obeyed by the terminal."""

from pathlib import Path

import pytest

from sysextlib.cli.main import main
from sysextlib.errors import SysextError
from sysextlib.image.keys import SigningKey, fingerprint_of
from tests.builders.images import extension, signed
from tests.builders.keys import certificate, private_key
from tests.builders.tools import image_tools

pytestmark = pytest.mark.tool
ESCAPE = "\x1b[31mowned\x07"
RELEASE = {"ID": f"demo{ESCAPE}", "VERSION_ID": "1", "ARCHITECTURE": "x86-64"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image_tools("mkfs.erofs", "fsck.erofs", "dump.erofs")
    key = private_key()
    made = certificate(key, name=f"me{ESCAPE}")
    more = {f"usr/share/{ESCAPE}": b"1", "usr/share/two\nlines": b"2", "usr/share/\x9b31m": b"3"}
    out = tmp_path_factory.mktemp("hostile") / "x.raw"
    return signed(
        out, extension("x", RELEASE, more=more), SigningKey(key, made, fingerprint_of(made))
    )


@pytest.mark.parametrize(
    "words", [["inspect"], ["inspect", "--labels"], ["verify"], ["explain", "--host"]]
)
def test_control_characters_of_an_image_are_made_visible(image, capsys, words):
    main([*words, str(image)])
    told = capsys.readouterr().out
    assert "\\x1b[31mowned\\x07" in told
    assert not {char for char in told if not char.isprintable()} - {"\n"}


def test_a_name_of_two_lines_is_shown_on_one(image, capsys):
    main(["inspect", str(image)])
    assert "usr/share/two\\nlines" in capsys.readouterr().out


def test_an_error_shows_them_too():
    assert "\\x1b" in str(SysextError(f"brief {ESCAPE}"))

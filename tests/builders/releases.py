"""Published versions of amd64-usr: what their server has, and a checkout whose board asks it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.builders.checkout import copy_checkout

if TYPE_CHECKING:
    from pathlib import Path

BOARD = "amd64-usr"
IMAGE = "flatcar_production_image_sysext.squashfs"
_KEY = "board_overlays/test.asc"
_SERVERS = """
[releases]
signing_key = "{key}"
channels = ["alpha", "beta", "stable"]
default_channel = "stable"

[[releases.servers]]
base_image = "{url}/{{channel}}/{{board}}/{{version}}/flatcar_production_image_sysext.squashfs"
binhost = "{url}/boards/{{board}}/{{version}}/pkgs"
"""


def image_of(site: Path, version: str) -> Path:
    """Return where a server has the base image of a version, its folder made."""
    image = site / "stable" / BOARD / version / IMAGE
    image.parent.mkdir(parents=True, exist_ok=True)
    return image


def packages_of(site: Path, version: str) -> Path:
    """Return the folder where a server has the packages of a version."""
    return site / "boards" / BOARD / version / "pkgs"


def checkout_of(url: str, key: Path, folder: Path) -> Path:
    """Copy the program, its board asking ``url`` for releases signed by ``key``; return it."""
    program = copy_checkout(folder)
    shutil.copyfile(key, folder / _KEY)
    board = folder / "board_overlays" / BOARD / "board.toml"
    others = board.read_text().partition("# Published versions")[0]
    board.write_text(others + _SERVERS.format(url=url, key=_KEY))
    return program

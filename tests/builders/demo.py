"""The demo board, for tests that take real packages as input: ci/make-demo-board made it."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sysextlib.errors import VersionMismatchError
from sysextlib.made_from import require_unchanged
from tests.builders.needs import unmet

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class DemoBoard:
    """Where a finished demo board lies.

    :param image: the base image; version.txt lies beside it.
    :param packages: the binhost, a folder with Packages.
    :param board: what ci/make-demo-board keeps in the cache: packages/, the ebuild repository
        overlay/ as it was built, with metadata/md5-cache, and Portage's settings as a
        PORTAGE_CONFIGROOT in config/.
    """

    image: Path
    packages: Path
    board: Path

    @property
    def overlay(self) -> Path:
        return self.board / "overlay"

    @property
    def config(self) -> Path:
        return self.board / "config"

    @property
    def version_file(self) -> Path:
        return self.image.with_name("version.txt")

    @cached_property
    def facts(self) -> dict[str, object]:
        """Return version, kernel (as uname -r says it) and base (CAT/PN of its packages)."""
        values: dict[str, object] = json.loads((self.board / "build.json").read_text())
        return values

    @property
    def kernel(self) -> str:
        return str(self.facts["kernel"])


def demo_board() -> DemoBoard:
    """Return the demo board that is linked into the checkout; skip the test when there is none.

    DEMO_BOARD_BUILD names another folder than the checkout's __build__.
    """
    build = Path(os.environ.get("DEMO_BOARD_BUILD") or CHECKOUT / "__build__")
    image = build / "images/demo-amd64/latest/flatcar_production_image_sysext.squashfs"
    packages = build / "packages/demo-amd64"
    if not image.is_file() or not (packages / "Packages").is_file():
        unmet(f"the demo board is not built in {build}: run ci/make-demo-board")
    if stale := _stale(image):
        unmet(stale)
    return DemoBoard(image=image, packages=packages, board=packages.resolve().parent)


@functools.cache
def _stale(image: Path) -> str:
    try:
        require_unchanged(image, CHECKOUT)
    except VersionMismatchError as error:
        return str(error)
    return ""

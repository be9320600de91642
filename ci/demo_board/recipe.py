"""What board_overlays/demo-amd64 says must be built, read from its files."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sysextlib.errors import BoardError

CHECKOUT = Path(__file__).resolve().parent.parent.parent
BOARD = "demo-amd64"
FOLDER = CHECKOUT / "board_overlays" / BOARD
LOCK = FOLDER / "debs.lock"

_DEBS = re.compile(r'^DEBS="([^"]*)"', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One more build of a package, with other USE flags."""

    use: str
    before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The board's build.toml, and what its ebuilds are made of.

    :param os_id: ID of os-release, from board.toml.
    :param epoch: seconds since 1970; no file of the base image is younger.
    :param buildroot: Debian packages that compile what the board compiles.
    :param debs: CAT/PN to the Debian packages that its ebuild repackages, the first of which
        gives the version.
    """

    os_id: str
    version_id: str
    build_id: str
    epoch: int
    suite: str
    architecture: str
    base_first: tuple[str, ...]
    extension_first: tuple[str, ...]
    xpak: frozenset[str]
    tbz2: frozenset[str]
    bzip2: frozenset[str]
    buildroot: tuple[str, ...]
    variants: dict[str, Variant]
    debs: dict[str, tuple[str, ...]]

    @property
    def version(self) -> str:
        return f"{self.version_id}+{self.build_id}"

    @property
    def wanted_debs(self) -> tuple[str, ...]:
        """Return every Debian package that is needed, sorted."""
        return tuple(sorted({*self.buildroot, *(d for debs in self.debs.values() for d in debs)}))


def load_recipe(folder: Path = FOLDER) -> Recipe:
    """Read the board's files.

    :raises BoardError: build.toml names a package that the overlay does not have.
    """
    values = tomllib.loads((folder / "build.toml").read_text(encoding="utf-8"))
    debs = {}
    for ebuild in sorted((folder / "overlay").glob("*/*/*.ebuild")):
        found = _DEBS.search(ebuild.read_text(encoding="utf-8"))
        name = f"{ebuild.parent.parent.name}/{ebuild.parent.name}"
        debs[name] = tuple(found.group(1).split()) if found else ()
    variants = {
        name: Variant(use=value["use"], before=value["order"] == "before")
        for name, value in values.pop("variants").items()
    }
    for key in ("xpak", "tbz2", "bzip2"):
        values[key] = frozenset(values[key])
    for key in ("base_first", "extension_first", "buildroot"):
        values[key] = tuple(values[key])
    board = tomllib.loads((folder / "board.toml").read_text(encoding="utf-8"))
    recipe = Recipe(**values, os_id=board["os_id"], variants=variants, debs=debs)
    named = {*recipe.base_first, *recipe.extension_first, *recipe.xpak, *recipe.tbz2}
    unknown = sorted((named | recipe.bzip2 | set(variants)) - set(debs))
    if unknown:
        raise BoardError(
            "build.toml names packages that the overlay does not have",
            {"file": folder / "build.toml", "packages": ", ".join(unknown)},
        )
    return recipe


def gentoo_version(debian: str) -> str:
    """Return what a Debian version is called here: the upstream part, as PMS 3.2 can write it.

    Without epoch and Debian revision; a date that a snapshot carries becomes a _p suffix.
    """
    version = debian.rpartition(":")[2]
    version = version.rpartition("-")[0] or version
    number = re.match(r"\d+(\.\d+)*([a-z](?![a-z0-9]))?", version)
    if number is None:
        raise BoardError(f"the Debian version {debian!r} has no counterpart in Gentoo")
    date = re.match(r"[+~](?:git)?(\d{4})\.?(\d\d)\.?(\d\d)", version[number.end() :])
    return number.group() + ("_p" + "".join(date.groups()) if date else "")

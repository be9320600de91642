"""Ebuild repositories made of texts, and ebuilds evaluated from a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysextlib.ebuild.metadata import Metadata, evaluate_ebuild
from sysextlib.ebuild.parser import parse_file
from sysextlib.ebuild.repository import Eclass
from sysextlib.errors import EbuildError
from sysextlib.gentoo.cpv import Cpv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Eclasses:
    """Eclasses given as texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def eclass(self, name: str) -> Eclass:
        """Return one, or raise as a repository does."""
        if name not in self.texts:
            raise EbuildError(f"there is no {name}.eclass")
        file = f"/repo/eclass/{name}.eclass"
        return Eclass(name, file, "0" * 32, parse_file(self.texts[name], file))


def evaluate(
    text: str,
    *,
    eclasses: Mapping[str, str] | None = None,
    eapi: str = "8",
    cpv: str = "cat/pkg-1.2.3_p4-r5",
    wanted: Sequence[str] = (),
) -> Metadata:
    """Evaluate an ebuild of this text behind its EAPI line."""
    head = f"EAPI={eapi}\n" if eapi else ""
    source = Eclasses(eclasses or {})
    data = (head + text).encode("utf-8", "surrogateescape")
    return evaluate_ebuild(data, Cpv.parse(cpv), "pkg.ebuild", source, wanted)


def value(text: str, *, eapi: str = "8", eclasses: Mapping[str, str] | None = None) -> str:
    """Return what a script leaves in the variable X."""
    return evaluate(text + "\nunset IFS\n", eapi=eapi, eclasses=eclasses, wanted=("X",)).others["X"]


def write_repository(
    folder: Path,
    files: Mapping[str, str],
    *,
    name: str = "test",
    masters: str = "",
) -> Path:
    """Write a repository; ``files`` are texts by their path in it."""
    own = {
        "profiles/repo_name": f"{name}\n",
        "profiles/eapi": "8\n",
        "profiles/arch.list": "amd64\narm64\n",
        "metadata/layout.conf": f"masters = {masters}\nthin-manifests = true\n",
    }
    categories = {path.split("/")[0] for path in files if path.endswith(".ebuild")}
    own["profiles/categories"] = "".join(f"{category}\n" for category in sorted(categories))
    for path, text in {**own, **files}.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def ebuild(**values: str) -> str:
    """Return the text of an ebuild with these variables."""
    known = {"DESCRIPTION": "d", "SLOT": "0", "KEYWORDS": "amd64", **values}
    inherit = known.pop("inherit", "")
    lines = ["EAPI=8", f"inherit {inherit}" if inherit else ""]
    return "\n".join([*lines, *(f'{key}="{text}"' for key, text in known.items())]) + "\n"

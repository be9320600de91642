"""Random changes to the demo board's overlay and profile, committed one after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.builders.overlay_history import BOARD, OVERLAY, commit_all, git, write_start

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

FLAGS = ("selinux", "nts", "cli", "vgauth", "ssl", "rootless", "seccomp", "filecaps", "new")
KEYWORDS = ("amd64", "~amd64", "-amd64", "arm64", "~amd64 arm64", "")
LISTS = {
    "package.mask": ("",),
    "package.unmask": ("",),
    "package.accept_keywords": (" ~amd64", " **", " -amd64", ""),
    "package.keywords": (" amd64", " ~amd64"),
    "package.use": tuple(f" {flag}" for flag in FLAGS),
    "package.use.mask": tuple(f" {flag}" for flag in FLAGS),
    "package.use.force": tuple(f" {flag}" for flag in FLAGS),
}


def write_random_history(folder: Path, chance: random.Random, count: int) -> list[str]:
    """Write the board and ``count`` random commits; return the tags, ``start`` first."""
    write_start(folder)
    overlay = _Overlay(folder, chance)
    tags = ["start"]
    while len(tags) <= count:
        chance.choice(overlay.changes)()
        if git(folder, "status", "--porcelain").strip():
            tags.append(f"commit-{len(tags)}")
            commit_all(folder, tags[-1])
    return tags


class _Overlay:
    """A checkout in which something may change."""

    def __init__(self, checkout: Path, chance: random.Random) -> None:
        self.overlay = checkout / OVERLAY
        self.profile = checkout / BOARD / "profile"
        self.chance = chance
        self.changes: tuple[Callable[[], object], ...] = (
            self.keywords, self.keywords, self.version, self.version, self.remove, self.slot,
            self.dependency, self.eclass, *[self.list_line] * 4, self.use,
        )  # fmt: skip

    def ebuild(self) -> Path:
        return self.chance.choice(sorted(self.overlay.glob("*/*/*.ebuild")))

    def atom(self) -> str:
        path = self.ebuild()
        package = f"{path.parent.parent.name}/{path.parent.name}"
        form = self.chance.choice(("{0}", "{0}", "={1}", ">={1}", "<{1}", ">{1}", "{0}:0", "{0}:2"))
        return form.format(package, f"{path.parent.parent.name}/{path.stem}")

    def keywords(self) -> None:
        _set(self.ebuild(), "KEYWORDS", self.chance.choice(KEYWORDS))

    def version(self) -> None:
        """Add a copy whose first or last number is another, with other KEYWORDS at times."""
        path = self.ebuild()
        name = path.parent.name
        numbers = list(re.finditer(r"\d+", path.stem[len(name) + 1 :]))
        match = self.chance.choice((numbers[0], numbers[-1]))
        number = max(0, int(match[0]) + self.chance.choice((-1, 1, 2)))
        at = len(name) + 1
        stem = path.stem[: at + match.start()] + str(number) + path.stem[at + match.end() :]
        new = path.with_name(f"{stem}.ebuild")
        if not new.exists():
            new.write_text(path.read_text())
            if self.chance.random() < 0.5:
                _set(new, "KEYWORDS", self.chance.choice(KEYWORDS))

    def remove(self) -> None:
        path = self.ebuild()
        if len(list(path.parent.glob("*.ebuild"))) > 1 or self.chance.random() < 0.2:
            path.unlink()

    def slot(self) -> None:
        _set(self.ebuild(), "SLOT", self.chance.choice(("0", "1", "2/3", "3/4")))

    def dependency(self) -> None:
        key = self.chance.choice(("RDEPEND", "PDEPEND", "DEPEND", "BDEPEND"))
        flag = self.chance.choice(FLAGS)
        form = self.chance.choice(('{0}+=" {1}"\n', 'IUSE+=" {2}"\n{0}+=" {2}? ( {1} )"\n'))
        _append(self.ebuild(), form.format(key, self.atom(), flag))

    def eclass(self) -> None:
        lines = ('KEYWORDS="~amd64"\n', 'KEYWORDS="amd64"\n', 'IUSE+=" new"\n', "# new\n")
        path = self.chance.choice(sorted((self.overlay / "eclass").iterdir()))
        _append(path, self.chance.choice(lines))

    def list_line(self) -> None:
        """Add a line to a list of the profile, or take one away."""
        name = self.chance.choice(sorted(LISTS))
        path = self.profile / name
        lines = path.read_text().splitlines() if path.exists() else []
        if lines and self.chance.random() < 0.4:
            lines.pop(self.chance.randrange(len(lines)))
        else:
            lines.append(self.atom() + self.chance.choice(LISTS[name]))
        path.write_text("".join(f"{line}\n" for line in lines))

    def use(self) -> None:
        _append(self.profile / "make.defaults", f'USE="{" ".join(self.chance.sample(FLAGS, 3))}"\n')


def _set(path: Path, name: str, value: str) -> None:
    text = re.sub(rf"^{name}=.*\n", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(f'{text}{name}="{value}"\n')


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)

"""Debian packages: which versions, from where, checked how.

A private apt, whose settings and lists lie in the cache, checks the signatures: the host's own apt
is neither read nor changed, so any release of Debian or Ubuntu will do.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sysextlib.errors import FetchError, MissingToolError
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ci.demo_board.receipt import Terminal

MIRROR = os.environ.get("DEMO_BOARD_MIRROR", "http://deb.debian.org/debian")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")

# Packages whose real names hold the kernel's version, which the first one's Depends tells.
KERNEL_META = "linux-image-cloud-amd64"
KERNEL_NAMES = {
    KERNEL_META: "linux-image-{}-cloud-amd64",
    "linux-headers-cloud-amd64": "linux-headers-{}-cloud-amd64",
    "linux-headers-common": "linux-headers-{}-common",
    "linux-kbuild": "linux-kbuild-{}",
}


@dataclass(frozen=True, slots=True, order=True)
class Deb:
    """One Debian package: what the board calls it, its real name, version and digest."""

    alias: str
    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.sha256}.deb"


def read_lock(path: Path) -> tuple[Deb, ...]:
    """Return what debs.lock records; empty when there is no such file."""
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Deb(*line.split()) for line in lines if line and not line.startswith("#"))


def render_lock(debs: Iterable[Deb]) -> str:
    head = "# alias, Debian package, version, sha256: what ci/make-demo-board last used\n"
    return head + "".join(f"{d.alias} {d.name} {d.version} {d.sha256}\n" for d in sorted(debs))


class DebStore:
    """Files of Debian packages by their digest, and the apt that fetches them."""

    def __init__(self, folder: Path, suite: str, architecture: str) -> None:
        self.folder = folder
        self.suite = suite
        self.architecture = architecture
        self._ready = False

    def path(self, deb: Deb) -> Path:
        return self.folder / deb.file_name

    def missing(self, debs: Iterable[Deb]) -> list[Deb]:
        return [deb for deb in debs if not self.path(deb).exists()]

    def current(self, aliases: Iterable[str]) -> tuple[Deb, ...]:
        """Return what the mirror has now.

        :raises FetchError: it lacks one of them, or cannot be reached.
        """
        kernel = self._kernel_version()
        names = {alias: KERNEL_NAMES.get(alias, alias).format(kernel) for alias in aliases}
        records = self._records(names.values())
        lost = sorted(set(names.values()) - set(records))
        if lost:
            raise FetchError(
                "the mirror lacks Debian packages that the demo board is made of",
                {"mirror": f"{MIRROR} {self.suite}", "packages": ", ".join(lost)},
                "adapt DEBS in the ebuilds below board_overlays/demo-amd64/overlay",
            )
        return tuple(sorted(Deb(a, n, *records[n]) for a, n in names.items()))

    def fetch(self, debs: Iterable[Deb]) -> None:
        """Download what is not there yet.

        :raises FetchError: a download failed, or a file has another digest than it must.
        """
        missing = self.missing(debs)
        if not missing:
            return
        self._update()
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.folder) as work:
            wanted = [f"{deb.name}={deb.version}" for deb in missing]
            self._apt("apt-get", "download", "-q", *wanted, cwd=Path(work))
            by_name = {(deb.name, deb.version): deb for deb in missing}
            for file in Path(work).iterdir():
                name, version, _ = file.name.split("_", 2)
                deb = by_name[name, unquote(version)]
                _check(file, deb)
                file.rename(self.path(deb))
        for deb in self.missing(missing):
            raise FetchError(f"apt did not deliver {deb.name} {deb.version}", {"mirror": MIRROR})

    def _kernel_version(self) -> str:
        shown = self._apt("apt-cache", "show", "--no-all-versions", KERNEL_META)
        found = re.search(r"^Depends:.*\blinux-image-(\S+)-cloud-amd64", shown, re.MULTILINE)
        if found is None:
            raise FetchError(
                f"{KERNEL_META} of {self.suite} does not say which kernel it stands for"
            )
        return found.group(1)

    def _records(self, names: Iterable[str]) -> Mapping[str, tuple[str, str]]:
        """Return version and SHA256 of packages, as the signed index has them."""
        shown = self._apt(
            "apt-cache", "show", "--no-all-versions", *sorted(set(names)), codes=(0, 100)
        )
        found = {}
        for block in shown.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|SHA256): (\S+)", block, re.MULTILINE))
            if len(fields) == 3:
                found[fields["Package"]] = (fields["Version"], fields["SHA256"])
        return found

    def _update(self) -> None:
        """Make the private apt, once a run, and let it read the mirror's signed index."""
        if self._ready:
            return
        if shutil.which("apt-get") is None:
            raise MissingToolError(
                "apt-get is not installed", hint="the demo board needs a Debian or Ubuntu host"
            )
        if not KEYRING.exists():
            raise MissingToolError(
                "the keys of Debian's archive are not installed",
                {"looked for": KEYRING},
                "install the package debian-archive-keyring, or run ci/setup",
            )
        apt = self._folder()
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
                     "etc/apt/trusted.gpg.d", "lists/partial", "archives/partial"):  # fmt: skip
            (apt / name).mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()
        (apt / "etc/apt/sources.list").write_text(
            f"deb [signed-by={KEYRING}] {MIRROR} {self.suite} main\n", encoding="utf-8"
        )
        (apt / "apt.conf").write_text(
            f'Dir "{apt}";\n'
            f'Dir::Etc "{apt}/etc/apt";\n'
            f'Dir::State "{apt}";\n'
            f'Dir::State::Lists "{apt}/lists";\n'
            f'Dir::State::status "{apt}/status";\n'
            f'Dir::Cache "{apt}";\n'
            f'APT::Architecture "{self.architecture}";\n'
            f'APT::Architectures {{ "{self.architecture}"; }};\n'
            'Acquire::Languages "none";\nAcquire::Retries "3";\n'
            'APT::Sandbox::User "root";\n',
            encoding="utf-8",
        )
        self._ready = True
        self._apt("apt-get", "update", "-q", "--error-on=any")

    def _folder(self) -> Path:
        return self.folder.parent / "apt" / f"{self.suite}-{self.architecture}"

    def _apt(self, *words: str, cwd: Path | None = None, codes: tuple[int, ...] = (0,)) -> str:
        self._update()
        env = {name: os.environ[name] for name in PROXIES if name in os.environ}
        env["APT_CONFIG"] = str(self._folder() / "apt.conf")
        return run(words, env=env, cwd=cwd, codes=codes).stdout.decode()


def choose_debs(
    store: DebStore, wanted: Collection[str], locked: tuple[Deb, ...], terminal: Terminal
) -> tuple[Deb, ...]:
    """Return the locked packages when they can still be had, else what the mirror has now.

    Never some of both: Debian's packages fit together only as of one time.
    """
    complete = {deb.alias for deb in locked} == set(wanted)
    missing = store.missing(locked)
    if complete and not missing:
        return locked
    current = store.current(wanted)
    if complete and set(missing) <= set(current):
        return locked
    if locked:
        old = {deb.alias: deb.version for deb in locked}
        moved = [deb for deb in current if old.get(deb.alias) != deb.version]
        terminal.say(f"\n  the mirror has moved: {len(moved)} packages differ from debs.lock")
        for deb in moved:
            terminal.say(f"    {deb.name} {old.get(deb.alias, '(new)')} -> {deb.version}")
    return current


def _check(file: Path, deb: Deb) -> None:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != deb.sha256:
        raise FetchError(
            f"{deb.name} {deb.version} is not what the index promises",
            {"expected sha256": deb.sha256, "received": digest},
        )

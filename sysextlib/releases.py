"""Published versions of a board: the base image brought here, trusted only by its signature.

In the cache a version has a folder of its own, with the image, its signature and the URL that it
came from. What is there is checked again each time, and never asked for again.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sysextlib.binpkg.cache import open_alone
from sysextlib.binpkg.http import Http
from sysextlib.errors import BoardError, FetchError, OutputError, UsageError, VerifyError, nearest
from sysextlib.system.gpgv import require_signature
from sysextlib.version_file import LARGEST as LARGEST_VERSION_FILE
from sysextlib.version_file import read_version_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sysextlib.board import Board, Releases, ReleaseServer
    from sysextlib.progress import Progress

VERSION = re.compile(r"[0-9]+(\.[0-9]+)+([+-][A-Za-z0-9.+-]+)?")
LONGEST_VERSION = 100  # characters
LARGEST_IMAGE = 8 << 30  # bytes; a base image has half a gigabyte
LARGEST_SIGNATURE = 1 << 16
LARGEST_LISTING = 4 << 20
GONE = frozenset({403, 404, 410})  # object stores answer 403 for what is not there
SHOWN = 5  # versions that an error names
_LINK = re.compile(rb"""href=["']?(?:[^"'>\s]*/)?([0-9]+(?:\.[0-9]+)+[^"'/>\s]*)/?["'>\s]""")


@dataclass(frozen=True, slots=True)
class Release:
    """One published version, its base image on this machine and its signature seen to be good.

    :param binhost: URL of its binary packages.
    """

    version: str
    base_image: Path
    binhost: str


class ReleaseStore:
    """The releases of one board: on its servers, and in the cache."""

    def __init__(
        self,
        board: Board,
        cache: Path,
        progress: Progress,
        *,
        offline: bool = False,
        http: Http | None = None,
    ) -> None:
        """Ask nobody yet.

        :raises BoardError: the board has no releases.
        """
        if board.releases is None:
            raise BoardError(
                f"board {board.name} has no releases",
                hint="name a base image with --squashfs_base=FILE",
            )
        self._board = board
        self._releases: Releases = board.releases
        self._folder = cache / "releases" / board.name
        self._progress = progress
        self._offline = offline
        self._http = http or Http()

    def of_channel(self, channel: str) -> str:
        """Return the newest version of a channel, as its signed version.txt says.

        :raises UsageError: there is no such channel. :raises FetchError: no server says.
        :raises VerifyError: its signature is not the board's.
        """
        known = self._releases.channels
        if channel not in known:
            raise UsageError(
                f"there is no channel {channel!r}", hint=nearest(channel, known) or "see board.toml"
            )
        file = self._folder / "channels" / channel / "version.txt"
        urls = [
            self._url(server.base_image, "current", channel).rpartition("/")[0] + "/version.txt"
            for server in self._releases.servers
            if "{channel}" in server.base_image
        ]
        if not self._offline:
            if not any(self._fetch_signed(url, file, LARGEST_VERSION_FILE) for url in urls):
                raise FetchError(
                    f"channel {channel} has no current version", {"asked for": "\n".join(urls)}
                )
        elif not file.exists():
            raise FetchError(
                f"the version of channel {channel} is not in the cache, and the build is offline",
                {"in the cache": ", ".join(self.cached()) or "(no version)"},
                hint="name a version that is there with --release",
            )
        self._require_signature(file)
        stated = read_version_file(file)
        return _checked(stated.version or stated.version_id)

    def fetch(self, version: str, channel: str | None = None) -> Release:
        """Return a version, downloaded unless the cache has it.

        :param channel: where it was published; None asks the likely one first, then the others.
        :raises FetchError: no server has it, or one fails; the newest that there are are named.
        :raises VerifyError: its signature is not the board's. Nothing of it is kept.
        """
        _checked(version)
        candidates = list(self._candidates(version, channel))
        name = candidates[0][0].rpartition("/")[2]
        file = self._folder / version / name
        found = self._from_cache(version, file, candidates)
        if found is not None:
            return found
        if self._offline:
            raise FetchError(
                f"release {version} is not in the cache, and the build is offline",
                {"in the cache": ", ".join(self.cached()) or "(no version)"},
                hint="build once without --offline",
            )
        for url, binhost in candidates:
            if self._fetch_signed(url, file, LARGEST_IMAGE):
                _write(file.with_name(file.name + ".url"), url)
                return Release(version, file, binhost)
        raise self._no_such_version(version, candidates)

    def cached(self) -> tuple[str, ...]:
        """Return the versions that are in the cache, the newest first."""
        found = [path.parent.name for path in self._folder.glob("*/*.url")]
        return tuple(sorted(found, key=_order, reverse=True))

    def _candidates(self, version: str, channel: str | None) -> Iterator[tuple[str, str]]:
        """Yield the URLs of image and packages, in the order in which they are asked for."""
        for server in self._releases.servers:
            channels = (channel,) if channel else self._channels(version)
            for word in channels if "{channel}" in server.base_image else ("",):
                yield self._pair(server, version, word)

    def _pair(self, server: ReleaseServer, version: str, channel: str) -> tuple[str, str]:
        image, binhost = server.base_image, server.binhost
        return self._url(image, version, channel), self._url(binhost, version, channel)

    def _channels(self, version: str) -> tuple[str, ...]:
        """Return all channels, that of the version's second number first."""
        number = int(version.split(".")[1].partition("+")[0].partition("-")[0])
        known = self._releases.channels
        return (*known[number : number + 1], *known[:number], *known[number + 1 :])

    def _url(self, template: str, version: str, channel: str) -> str:
        words = {
            "board": self._board.name,
            "arch": str(self._board.arch),
            "version": version,
            "channel": channel,
        }
        for word, value in words.items():
            template = template.replace("{" + word + "}", value)
        return template

    def _from_cache(
        self, version: str, file: Path, candidates: list[tuple[str, str]]
    ) -> Release | None:
        """Return what was downloaded before; what the disk has changed since is removed."""
        try:
            url = file.with_name(file.name + ".url").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        binhost = dict(candidates).get(url)
        if binhost is None:  # another channel was asked for, or board.toml is another
            return None
        try:
            self._require_signature(file)
        except VerifyError:
            if self._offline:
                raise
            self._progress.warn(f"{file} was damaged in the cache and is fetched again")
            return None
        return Release(version, file, binhost)

    def _fetch_signed(self, url: str, file: Path, most: int) -> bool:
        """Bring a file and its signature; False when the server does not have it.

        :raises VerifyError: the signature is not the board's; the file is gone again.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        resumed = file.with_name(file.name + ".part").exists()
        if not self._download_pair(url, file, most, resume=True):
            return False
        try:
            self._require_signature(file)
        except VerifyError:
            # what an earlier call left may have been of another file
            if not resumed or not self._download_pair(url, file, most, resume=False):
                raise
            self._require_signature(file)
        return True

    def _download_pair(self, url: str, file: Path, most: int, *, resume: bool) -> bool:
        """Download a file after its signature; False when the server lacks either."""
        signature = file.with_name(file.name + ".sig")
        return self._download(
            url + ".sig", signature, LARGEST_SIGNATURE, resume=False
        ) and self._download(url, file, most, resume=resume)

    def _download(self, url: str, file: Path, most: int, *, resume: bool) -> bool:
        """Download a file; a part of it stays for the next call when the server fails."""
        try:
            with open_alone(file.with_name(file.name + ".part")) as part:
                if not resume:
                    part.truncate(0)
                answer = self._http.get(url, part, most=most)
                part.flush()
                if answer.code not in {200, 206}:
                    os.unlink(part.name)  # noqa: PTH108 - a name of the open file
                    if answer.code in GONE:
                        return False
                    raise FetchError(
                        "a server of releases does not deliver",
                        {"url": url, "answer": f"HTTP {answer.code}"},
                    )
                os.replace(part.name, file)  # noqa: PTH105
        except OSError as error:
            raise OutputError(
                "the cache cannot be written", {"file": file, "reason": error.strerror}
            ) from error
        return True

    def _require_signature(self, file: Path) -> None:
        """Check a file of the cache; with a bad signature it goes.

        :raises VerifyError: it is not the board's.
        """
        signature = file.with_name(file.name + ".sig")
        try:
            if not file.is_file() or not signature.is_file():
                raise VerifyError(f"{file} or its signature is gone")
            require_signature(file, signature, Path(self._releases.signing_key))
        except VerifyError:
            for path in (file, signature, file.with_name(file.name + ".url")):
                path.unlink(missing_ok=True)
            raise

    def _no_such_version(self, version: str, candidates: list[tuple[str, str]]) -> FetchError:
        listed = self._listed()
        where = "newest on the servers" if listed else "in the cache"
        newest = (listed or self.cached())[:SHOWN]
        return FetchError(
            f"there is no release {version} of board {self._board.name}",
            {
                "asked for": "\n".join(url for url, _ in candidates),
                where: ", ".join(newest) or "(none)",
            },
            hint="see whether version and channel are right",
        )

    def _listed(self) -> tuple[str, ...]:
        """Return the versions that servers list, the newest first; none when they list nothing."""
        found: set[str] = set()
        for server in self._releases.servers:
            above = server.base_image.partition("{version}")[0]
            channels = self._releases.channels if "{channel}" in above else ("",)
            for url in (self._url(above, "", channel) for channel in channels):
                with tempfile.TemporaryFile() as body:
                    try:
                        answer = self._http.get(url, body, most=LARGEST_LISTING)
                    except FetchError:
                        continue
                    if answer.code == 200:
                        body.seek(0)
                        links = _LINK.findall(body.read())
                        found |= {link.decode("utf-8", "replace") for link in links}
        versions = [one.replace("%2B", "+") for one in found]
        good = [one for one in versions if _is_version(one)]
        return tuple(sorted(good, key=_order, reverse=True))


def _is_version(text: str) -> bool:
    return len(text) <= LONGEST_VERSION and VERSION.fullmatch(text) is not None


def _checked(version: str) -> str:
    """Return a version that may stand in a URL and a path.

    :raises UsageError: it may not.
    """
    if not _is_version(version):
        raise UsageError(
            f"{version!r} is no version of a release", hint="such as 4593.2.0, see --release"
        )
    return version


def _order(version: str) -> tuple[tuple[int, ...], str]:
    numbers, plus, rest = version.partition("+")
    return tuple(int(part) for part in re.findall(r"\d+", numbers)), plus + rest


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".new")
    part.write_text(text, encoding="utf-8")
    part.replace(path)

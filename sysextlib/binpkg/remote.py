"""A binhost on a server: its index kept with its validators, its packages kept by digest."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sysextlib.binpkg.cache import strongest
from sysextlib.binpkg.index import MOST, read_index
from sysextlib.errors import FetchError, OutputError, PackagesIndexError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sysextlib.binpkg.cache import PackageCache
    from sysextlib.binpkg.http import Http
    from sysextlib.binpkg.model import Index, IndexedPackage
    from sysextlib.progress import Progress

NAMES = ("Packages.gz", "Packages")
VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
GONE = frozenset({403, 404, 410})  # object stores answer 403 for what is not there


@dataclass(frozen=True, slots=True)
class HttpBinhost:
    """A server's folder with an index.

    :param base: the URL that the packages' paths are relative to, ending with "/".
    """

    location: str
    base: str
    index: Index
    cache: PackageCache
    http: Http
    progress: Progress
    offline: bool

    @property
    def packages(self) -> tuple[IndexedPackage, ...]:
        """What the server has, in its index's order."""
        return self.index.packages

    def fetch(self, item: IndexedPackage) -> Path:
        """Return the file from the cache, after a download if it was not there.

        :raises FetchError: the server does not deliver what its index lists.
        """
        if strongest(item.digests) is None or not item.size:
            raise PackagesIndexError(
                f"the Packages index gives no size or digest of {item.package}",
                {"binhost": self.location},
                hint="make the index again; without a digest a download cannot be trusted",
            )
        found = self.cache.find(item.digests)
        if found is not None:
            return found
        if self.offline:
            raise FetchError(
                f"{item.package} is not in the cache, and the build is offline",
                {"binhost": self.location, "file": item.path},
                hint="build once without --offline",
            )
        with self.cache.downloading(item.digests) as file:
            found = self.cache.find(item.digests)  # another build may have been faster
            if found is not None:
                Path(file.name).unlink(missing_ok=True)
                return found
            return self._download(item, file)

    def _download(self, item: IndexedPackage, file: IO[bytes]) -> Path:
        """Download, and once more from the start if what came is not what is listed."""
        url = self.base + quote(item.path)
        for _ in range(2):
            have = file.seek(0, 2)
            if have > item.size:
                file.truncate(0)
            if have != item.size:
                answer = self.http.get(
                    url,
                    file,
                    most=item.size,
                    show=lambda done: self.progress.advance(done, item.size),
                )
                if answer.code not in {200, 206}:
                    raise _not_there(url, answer.code, f"the file of {item.package}")
            kept = self.cache.keep(file, item.digests)
            if kept is not None:
                return kept
        name = strongest(item.digests) or ""
        raise FetchError(
            f"the file of {item.package} is not the one that the Packages index lists",
            {"url": url, f"{name} in the index": item.digests[name], "tries": 2},
            hint="the server replaced the package without its index, or sends wrong bytes",
        )


def cached_index(location: str, folder: Path, http: Http, *, offline: bool) -> tuple[Index, str]:
    """Return a server's index and the URL that its paths are relative to.

    A copy is kept with the validators that the server gave, and asked for only if it changed.

    :raises FetchError: there is none, or the build is offline and none was kept.
    :raises PackagesIndexError: it is damaged.
    """
    root = location.rstrip("/") + "/"
    path = folder / hashlib.sha256(root.encode()).hexdigest()
    kept = _read_kept(path)
    if offline:
        if kept is None:
            raise FetchError(
                "no index of this binhost is in the cache, and the build is offline",
                {"binhost": location},
                hint="build once without --offline",
            )
        index = read_index(kept[1], root + kept[0]["name"])
    else:
        index = _ask(root, path, kept, http)
    return index, _base(index, root)


def _ask(root: str, path: Path, kept: tuple[dict[str, str], bytes] | None, http: Http) -> Index:
    """Return the newest index; Packages.gz goes first, being smaller."""
    code = 0
    for name in NAMES:
        headers = {}
        if kept is not None and kept[0]["name"] == name:
            headers = {VALIDATORS[key]: kept[0][key] for key in VALIDATORS if key in kept[0]}
        with tempfile.TemporaryFile() as file:
            answer = http.get(root + name, file, most=MOST, headers=headers)
            code = answer.code
            if code == 304 and kept is not None:
                return read_index(kept[1], root + name)
            if code in {200, 206}:
                file.seek(0)
                body = file.read()
                index = read_index(body, root + name)  # a damaged one must not stay
                _keep(path, name, answer.headers, body)
                return index
        if code not in GONE:
            break
    raise _not_there(root + NAMES[-1], code, "a Packages index")


def _read_kept(path: Path) -> tuple[dict[str, str], bytes] | None:
    """Return what ``_keep`` wrote; None when there is nothing or it was damaged."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        facts = json.loads(head)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or not all(isinstance(v, str) for v in facts.values()):
        return None
    if facts.get("sha256") != hashlib.sha256(body).hexdigest() or facts.get("name") not in NAMES:
        return None
    return facts, body


def _keep(path: Path, name: str, headers: Mapping[str, str], body: bytes) -> None:
    """Write an index and its validators as one file, by one rename."""
    facts = {key: headers[key] for key in VALIDATORS if key in headers}
    facts |= {"name": name, "sha256": hashlib.sha256(body).hexdigest()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(facts, sort_keys=True).encode() + b"\n" + body)
            Path(temporary).rename(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(
            "the cache cannot be written",
            {"folder": path.parent, "reason": error.strerror},
            hint="make room, or name another cache with BUILD_SYSEXT_CACHE",
        ) from error


def _base(index: Index, root: str) -> str:
    """Return where the packages lie: the header's URI when it names a server, as for Portage."""
    uri = index.header.get("URI", "")
    if urlsplit(uri).scheme in {"http", "https"} and uri.isprintable():
        return uri.rstrip("/") + "/"
    return root


def _not_there(url: str, code: int, what: str) -> FetchError:
    return FetchError(
        f"the binhost does not have {what}",
        {"url": url, "answer": f"HTTP {code}"},
        hint="see whether the address and the version in it are right",
    )

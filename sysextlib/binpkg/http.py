"""Files from http and https servers: retried, resumed, bounded in size, time and redirects.

Standard library only. The proxies that the environment names are used, credentials never.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NoReturn
from urllib.parse import quote, urlsplit

from sysextlib.errors import FetchError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHUNK = 1 << 20
AGENT = "build-sysext"
SCHEMES = frozenset({"http", "https"})
# Answers that a later try may change: RFC 9110, 15.5 and 15.6, and RFC 6585.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HINT = "see whether the address is right and the server is up; finished downloads are kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to try.

    :param waits: seconds before each further try.
    :param timeout: seconds without a byte after which a connection counts as dead.
    :param slowest: bytes a second below which it counts as dead too, over ``timeout`` seconds.
    :param redirects: how many are followed.
    :param sleep: waits; tests give one that does not.
    """

    waits: tuple[float, ...] = (0.5, 1, 2, 4)
    timeout: float = 30
    slowest: int = 1000
    redirects: int = 5
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's last word.

    :param code: 200, 206, 304, or 404 and its like.
    """

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


class _TryAgainError(Exception):
    """One try failed, another may not."""


class _Pace:
    """Ends a connection that drips."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since, self._bytes = time.monotonic(), 0

    def check(self, size: int) -> None:
        self._bytes += size
        passed = time.monotonic() - self._since
        if passed < self._patience.timeout:
            return
        if self._bytes < self._patience.slowest * passed:
            raise _TryAgainError(f"only {self._bytes} bytes came in {passed:.0f} s")
        self._since, self._bytes = time.monotonic(), 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, never from https to http, never to another scheme."""

    max_repeats = max_redirections = 1000  # the base class's own counts; ours is below

    def __init__(self, most: int) -> None:
        self._most = most

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request.

        :raises FetchError: the server sends us somewhere else than http, or on and on.
        """
        new, old = urlsplit(newurl).scheme, urlsplit(req.full_url).scheme
        if new not in SCHEMES or (old == "https" and new != "https"):
            raise FetchError(
                "a server redirects to where it may not",
                {"from": req.full_url, "to": newurl[:500]},
                hint="name the final address if you trust it",
            )
        followed: dict[str, int] = getattr(req, "redirect_dict", {})
        if sum(followed.values()) >= self._most:
            raise FetchError(
                "a server redirects without end",
                {"url": req.origin_req_host, "allowed": self._most, "last": newurl[:500]},
                hint=HINT,
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Http:
    """Downloads, each with its own connection, so that several threads may call it."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            _Redirects(self._patience.redirects),
            urllib.request.HTTPErrorProcessor(),
        ):
            self._opener.add_handler(handler)

    def get(
        self,
        url: str,
        out: IO[bytes],
        *,
        most: int,
        headers: Mapping[str, str] | None = None,
        show: Callable[[int], None] = lambda _: None,
    ) -> Answer:
        """Append what is missing of a file to ``out``, whose bytes so far are its beginning.

        A server that cannot resume sends all, and ``out`` is written anew. When this raises,
        ``out`` keeps what came, for the next call.

        :param most: bytes that the whole file may have.
        :param headers: request headers, If-None-Match for one.
        :param show: is told how many bytes there are.
        :returns: 200 or 206 when ``out`` is whole, 304 or a 4xx when there is nothing to write.
        :raises FetchError: no try was answered in full.
        """
        faults: list[str] = []
        for wait in (*self._patience.waits, None):
            try:
                return self._try(url, out, most, headers or {}, show)
            except _TryAgainError as fault:
                faults.append(str(fault))
            if wait is not None:
                self._patience.sleep(wait)
        raise self._given_up(url, faults)

    def _given_up(self, url: str, faults: list[str]) -> FetchError:
        counted = "\n".join(f"{number}. {fault}" for number, fault in enumerate(faults, start=1))
        if len(faults) > 1 and len(set(faults)) == 1:
            counted = f"{len(faults)}, each: {faults[0]}"
        return FetchError(
            f"{urlsplit(url).netloc} did not deliver {urlsplit(url).path.rpartition('/')[2]}",
            {"url": url, "tries": counted},
            hint=HINT,
        )

    def _try(
        self,
        url: str,
        out: IO[bytes],
        most: int,
        headers: Mapping[str, str],
        show: Callable[[int], None],
    ) -> Answer:
        have = out.seek(0, 2)
        asked = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        if have:
            asked["Range"] = f"bytes={have}-"
        request = urllib.request.Request(_address(url), headers=asked)
        try:
            with self._opener.open(request, timeout=self._patience.timeout) as response:
                return self._receive(url, out, response, have, most, show)
        except urllib.error.HTTPError as error:
            with error:
                return self._not_given(out, error, have)
        except urllib.error.URLError as error:
            raise _TryAgainError(f"no answer: {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _TryAgainError(f"the connection broke: {error!r}") from error

    def _not_given(self, out: IO[bytes], error: urllib.error.HTTPError, have: int) -> Answer:
        if error.code == 416 and have:  # what we have is not its beginning
            out.truncate(0)
            raise _TryAgainError("the server could not resume")
        if error.code in PASSING:
            raise _TryAgainError(f"HTTP {error.code} {error.reason}")
        if error.code in REDIRECTS:  # to a scheme that urllib itself refuses
            raise FetchError(
                "a server redirects to where it may not",
                {"url": error.url, "to": error.headers.get("Location", "")[:500]},
                hint="name the final address if you trust it",
            )
        return Answer(error.code, {key.lower(): value for key, value in error.headers.items()})

    def _receive(
        self,
        url: str,
        out: IO[bytes],
        response: http.client.HTTPResponse,
        have: int,
        most: int,
        show: Callable[[int], None],
    ) -> Answer:
        headers = {key.lower(): value for key, value in response.headers.items()}
        if response.status != 206 or not headers.get("content-range", "").startswith(
            f"bytes {have}-"
        ):
            if response.status == 206:
                out.truncate(0)
                raise _TryAgainError("the server resumed at another place")
            out.seek(0)
            out.truncate()
            have = 0
        length = headers.get("content-length", "")
        end = have + int(length) if length.isascii() and length.isdecimal() else None
        if end is not None and end > most:
            self._too_large(url, end, most)
        pace = _Pace(self._patience)
        while data := response.read1(CHUNK):
            have += len(data)
            if have > most:
                self._too_large(url, have, most)
            _store(out, data)
            show(have)
            pace.check(len(data))
        if end is not None and have != end:
            raise _TryAgainError(f"the connection ended after {have} of {end} bytes")
        return Answer(response.status, headers)

    def _too_large(self, url: str, size: int, most: int) -> NoReturn:
        raise FetchError(
            "a server sends more than the file can have",
            {"url": url, "bytes": size, "allowed": most},
            hint="fetch the index again; the server may have replaced the package",
        )


def _store(out: IO[bytes], data: bytes) -> None:
    """Append to a file; a full disk is no fault of the server."""
    try:
        out.write(data)
    except OSError as error:
        raise OutputError(
            "a download cannot be written",
            {"file": out.name, "reason": error.strerror},
            hint="make room, or name another cache with BUILD_SYSEXT_CACHE",
        ) from error


def _address(url: str) -> str:
    """Return a URL as a request names it: object stores take a plus in a path for a space."""
    parts = urlsplit(url)
    return parts._replace(path=quote(parts.path, safe="/%~!$&'()*,;=:@")).geturl()

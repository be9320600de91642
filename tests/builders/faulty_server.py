"""A real HTTP server on loopback that serves a folder, and misbehaves as told."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Faults:
    """What goes wrong with a path, and what was asked for.

    :param script: by path, what each request after another meets; when it is used up, all is well.
        A number is a status; "cut N" breaks the connection after N bytes; "stall N" sends
        nothing more after N bytes; "flip" changes a byte; "to URL" redirects; "norange" ignores
        Range; "shift" resumes at another place; "long" sends a byte too many.
    """

    script: dict[str, list[str | int]] = field(default_factory=lambda: defaultdict(list))
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)  # as they were spelled

    def paths(self) -> list[str]:
        """The paths of all requests, in order."""
        return [path for path, _ in self.asked]


@contextlib.contextmanager
def serving(folder: Path, *, etag: str = "") -> Iterator[tuple[str, Faults]]:
    """Serve ``folder`` for the length of the block; yields its URL and the faults to come."""
    faults = Faults()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            path = unquote(self.path)
            faults.addresses.append(self.path)
            faults.asked.append((path, {k.lower(): v for k, v in self.headers.items()}))
            planned = faults.script[path]
            fault = planned.pop(0) if planned else ""
            if isinstance(fault, int):
                return self._empty(fault)
            if fault.startswith("to "):
                return self._empty(302, Location=fault[3:])
            if etag and self.headers.get("If-None-Match") == etag:
                return self._empty(304)
            file = folder / path.partition("?")[0].lstrip("/")
            if not file.is_file():
                return self._empty(404)
            return self._send(file.read_bytes(), fault)

        def _empty(self, code: int, **headers: str) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, data: bytes, fault: str) -> None:
            start = 0
            asked = self.headers.get("Range", "")
            if asked and fault != "norange":
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    return self._empty(416)
                shown = start + 1 if fault == "shift" else start
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {shown}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            if etag:
                self.send_header("ETag", etag)
            body = data[start:]
            if fault == "flip":
                body = bytes([body[0] ^ 1]) + body[1:]
            if fault == "long":
                body += b"x"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            word, _, number = fault.partition(" ")
            self.wfile.write(body[: int(number)] if word in {"cut", "stall"} else body)
            self.wfile.flush()
            if word == "stall":
                released.wait(30)
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()

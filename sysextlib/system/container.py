"""A running container: programs in it, and what its end looks like to us."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
from docker.utils import socket as framing

from sysextlib.errors import ContainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

KILLED = 128 + 9  # exit code of a program that SIGKILL ended


class Container:
    """A running container in which programs can be run; any thread may."""

    def __init__(
        self,
        client: docker.DockerClient,
        container: str,
        mounts: Mapping[str, str] | None = None,
    ) -> None:
        self._api: Any = client.api
        self._id = container
        self._open: set[Any] = set()
        self._mounts = mounts or {}

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        feed: bytes,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
    ) -> int:
        """Run a program as root and return its exit code.

        :param feed: what it reads first from its standard input, which then stays open for as long
            as this process lives and wants it to run.
        :param out: receives its output; :param err: its error output.
        :raises ContainerError: container or engine went away.
        """
        with answering():
            api = self._api
            try:
                made = api.exec_create(
                    self._id, list(argv), environment=dict(env), stdin=True, user="0:0"
                )
                stream = api.exec_start(made["Id"], socket=True)
            except docker.errors.APIError as error:
                raise self._gone(error.explanation or str(error)) from error
            self._open.add(stream)
            try:
                self._talk(stream, feed, out, err)
            finally:
                self._open.discard(stream)
                hang_up(stream)
            try:
                ended = api.exec_inspect(made["Id"])
            except docker.errors.APIError as error:
                raise self._gone(error.explanation or str(error)) from error
        if ended["Running"] or ended["ExitCode"] is None:
            raise self._gone("its program was cut off")
        code = int(ended["ExitCode"])
        if code == KILLED:
            raise self._gone("its program was killed")
        return code

    def place(self, path: Path) -> str | None:
        """Return where a path of this machine is in the container, None when it is not."""
        real = os.path.realpath(path)
        for source in sorted(self._mounts, key=len, reverse=True):
            if real == source or real.startswith(source.rstrip("/") + "/"):
                return self._mounts[source].rstrip("/") + real[len(source.rstrip("/")) :]
        return None

    def stop(self) -> None:
        """End what was started here: a program ends when its standard input does."""
        for stream in tuple(self._open):
            hang_up(stream)

    def _talk(
        self,
        stream: Any,
        feed: bytes,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
    ) -> None:
        """Feed the program while its two outputs are read."""
        raw: socket.socket = getattr(stream, "_sock", stream)

        def send() -> None:
            with contextlib.suppress(OSError):  # who reads no more has ended; its code tells why
                raw.sendall(feed)

        sender = threading.Thread(target=send, name="feed", daemon=True)
        sender.start()
        read: Any = framing.frames_iter
        for kind, data in read(stream, tty=False):
            (err if kind == 2 else out)(data)

    def _gone(self, reason: str) -> ContainerError:
        return ContainerError(
            "the SDK container went away in the middle",
            {"engine says": reason},
            hint="was it stopped, or out of memory? run the build again",
        )


def hang_up(stream: Any) -> None:
    """Close a program's standard input for good, and all that holds the connection."""
    raw = getattr(stream, "_sock", stream)
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)
    for part in (getattr(stream, "_response", None), stream, raw):
        if part is not None:
            with contextlib.suppress(OSError):
                part.close()


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn what an engine that went away looks like into an error for people."""
    try:
        yield
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise ContainerError(
            "the container engine stopped answering in the middle",
            {"reason": error},
            hint="start it again (systemctl start docker), then the build",
        ) from error

"""Runs programs on this machine as ``docker.Container`` runs them in a container."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess  # noqa: TID251 - part of the door that the ban points to
import threading
from typing import IO, TYPE_CHECKING

from sysextlib.errors import MissingToolError
from sysextlib.system.run import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

CHUNK = 1 << 16


class Here:
    """Runs programs here: the machine is the SDK itself."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        feed: bytes,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
    ) -> int:
        """Run a program and return its exit code, negative for a signal.

        Its standard input stays open after ``feed`` for as long as this process lives.

        :raises MissingToolError: there is no such program.
        """
        process, source, output, log = _start(argv, env)
        self._running.add(process.pid)

        def send() -> None:
            with contextlib.suppress(OSError):  # who reads no more has ended; its code tells why
                source.write(feed)
                source.flush()

        threads = [
            threading.Thread(target=send, daemon=True),
            threading.Thread(target=_pass_on, args=(log, err), daemon=True),
        ]
        try:
            for thread in threads:
                thread.start()
            _pass_on(output, out)
            for thread in threads:
                thread.join()
            return process.wait()
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            self._running.discard(process.pid)
            with contextlib.suppress(OSError):
                source.close()
            process.wait()
            output.close()
            log.close()

    def place(self, path: Path) -> str:
        """Return where a path of this machine is: at itself."""
        return str(path.absolute())

    def stop(self) -> None:
        """End everything that runs."""
        for pid in tuple(self._running):
            _kill(pid)


def _start(
    argv: Sequence[str], env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes], IO[bytes]]:
    """Start a program; return it with its standard input, output and error output."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **env},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise MissingToolError(f"{argv[0]} is not installed") from error
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return process, process.stdin, process.stdout, process.stderr


def _pass_on(stream: IO[bytes], receive: Callable[[bytes], object]) -> None:
    while data := os.read(stream.fileno(), CHUNK):
        receive(data)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)

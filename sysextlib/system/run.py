"""The one place where programs are started."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess  # noqa: TID251 - this is the door that the ban points to
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sysextlib.errors import MissingToolError, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/nonexistent",
}
TAIL = 20  # lines of a failed program's output that are shown


@dataclass(frozen=True, slots=True)
class Result:
    """What a program that ended left behind."""

    code: int
    stdout: bytes
    stderr: bytes


def run(
    argv: Sequence[str | Path],
    *,
    feed: Callable[[IO[bytes]], None] | bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
    timeout: float | None = None,
    stdout: IO[bytes] | None = None,
    name: str = "",
) -> Result:
    """Run a program to its end in a fixed environment and return its output.

    It never sees the caller's environment, terminal or standard input. When this thread is
    interrupted, the program's whole process group is killed before the exception goes on.

    :param feed: bytes for its standard input, or a function that writes them to the stream.
    :param env: variables beside ENVIRONMENT.
    :param codes: exit codes that are no error.
    :param timeout: seconds until it is killed.
    :param stdout: where its output goes; then Result.stdout is empty.
    :param name: what errors call it, when argv[0] is not its name.
    :raises MissingToolError: there is no such program.
    :raises ToolError: another exit code, or the time ran out.
    """
    words = [str(word) for word in argv]
    label = name or words[0].rpartition("/")[2]
    pipe = subprocess.PIPE if feed else subprocess.DEVNULL
    process = _start(words, label, stdin=pipe, stdout=stdout, cwd=cwd, env=env)
    with process:
        try:
            out, err = _talk(process, feed, timeout)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            raise ToolError(
                f"{label} did not end within {timeout:g} seconds", {"command": shlex.join(words)}
            ) from error
        except BaseException:
            _kill(process)
            raise
    if process.returncode not in codes:
        raise ToolError(
            f"{label} failed with {_outcome(process.returncode)}",
            {"command": shlex.join(words), "last output": _tail(err or out)},
        )
    return Result(process.returncode, out, err)


def _start(
    words: Sequence[str],
    label: str,
    *,
    stdin: int,
    stdout: IO[bytes] | None,
    cwd: Path | None,
    env: Mapping[str, str] | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            stdin=stdin,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**ENVIRONMENT, **(env or {})},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _missing(label, words[0]) from error


def _talk(
    process: subprocess.Popen[bytes],
    feed: Callable[[IO[bytes]], None] | bytes,
    timeout: float | None,
) -> tuple[bytes, bytes]:
    """Feed the program and collect both its streams."""
    if not callable(feed):
        out, err = process.communicate(feed or None, timeout)
        return out or b"", err or b""
    collected = {"out": b"", "err": b""}

    def drain(key: str, stream: IO[bytes] | None) -> None:
        if stream is not None:
            collected[key] = stream.read()

    threads = [
        threading.Thread(target=drain, args=("out", process.stdout), daemon=True),
        threading.Thread(target=drain, args=("err", process.stderr), daemon=True),
    ]
    for thread in threads:
        thread.start()
    assert process.stdin is not None
    # A program that needs no more input, or that failed, closes its end; its exit code tells which.
    with contextlib.suppress(BrokenPipeError):
        feed(process.stdin)
        process.stdin.close()
    process.wait(timeout)
    for thread in threads:
        thread.join()
    return collected["out"], collected["err"]


def _missing(label: str, path: str) -> MissingToolError:
    return MissingToolError(
        f"{label} is not installed",
        {"looked for": path},
        hint="run ci/setup, which installs or names every program that is needed",
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _outcome(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _tail(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-TAIL:]) or "(none)"

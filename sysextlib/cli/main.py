"""From the command line to an exit code."""

from __future__ import annotations

import codecs
import contextlib
import errno
import importlib
import os
import signal
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn, TextIO

from sysextlib.cli.call import Call, parse
from sysextlib.errors import MissingToolError, OutputError, SysextError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130
# What a file system says that is nobody's bug, wherever it is met.
CIRCUMSTANCES = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ELOOP),
    }
)


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code. Errors meant for people go to stderr as text."""
    _open_closed_streams()
    _print_any_name(sys.stdout)
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, _stop)
    code = _run(argv)
    fault = _flush(sys.stdout)
    if fault is not None and code == 0:
        code = _unprinted(fault)
    _flush(sys.stderr)
    return code


def _run(argv: Sequence[str]) -> int:
    try:
        return _command(parse(list(argv)))
    except SysextError as error:
        _say(error_text(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted; no half output is left")
        return INTERRUPTED
    except OSError as error:
        fault = _flush(sys.stdout) or _flush(sys.stderr)
        if fault is None and isinstance(error, BrokenPipeError):
            fault = error  # in the middle of much output, of which nothing is left to flush
        if fault is not None:
            return _unprinted(fault)
        if error.errno not in CIRCUMSTANCES or not error.filename:
            raise
        told = OutputError(f"{error.filename} cannot be used", {"reason": error.strerror})
        _say(error_text(told))
        return told.exit_code
    except MemoryError:
        _say("error: the memory does not suffice\n  hint: allow more, or try --jobs=1")
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sysextlib"):
            raise
        _say(
            f"error: the Python package {error.name} is missing\n"
            "  hint: run ci/setup, which makes an environment with everything"
        )
        return MissingToolError.exit_code


def _open_closed_streams() -> None:
    """Lead standard streams that our caller closed to /dev/null, lest an output gets their number.

    Python has made None of those; what is printed without anybody listening is no error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        mode = "r" if number == 0 else "w"
        setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for the process's life


def _print_any_name(stream: TextIO) -> None:
    """Have names of files that are no text printed as they are, or escaped where that cannot be."""
    if isinstance(stream, TextIOWrapper):
        unicode = codecs.lookup(stream.encoding).name == "utf-8"
        stream.reconfigure(errors="surrogateescape" if unicode else "backslashreplace")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _flush(stream: TextIO) -> OSError | None:
    """Write out what is buffered; return why it failed, after which nothing more is written."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _unprinted(fault: OSError) -> int:
    if isinstance(fault, BrokenPipeError):  # who read our output has gone
        return 128 + signal.SIGPIPE
    _say(f"error: what was done cannot be printed\n  reason: {fault.strerror}")
    return OutputError.exit_code


def error_text(error: SysextError) -> str:
    """Return an error as it is shown: "error: ", the brief, then facts and hint."""
    return f"error: {error}"


# Module below sysextlib.cli and function of each command; a module is imported when it is called,
# because --help must not wait for what only a build needs.
CODE = {
    "build": ("build", "build"),
    "plan": ("build", "plan"),
    "compare-installers": ("compare", "compare_installers"),
    "base-sysexts": ("assemble", "base_sysexts"),
    "oem-partition": ("assemble", "oem_partition"),
    "list": ("show", "catalogue"),
    "verify": ("show", "verify"),
    "inspect": ("show", "inspect"),
    "explain": ("explain", "explain"),
    "metadata": ("ebuilds", "metadata"),
    "affected": ("ebuilds", "affected"),
}


def _command(call: Call) -> int:
    module, function = CODE[call.command]
    run: Callable[[Call], int] = getattr(
        importlib.import_module(f"sysextlib.cli.{module}"), function
    )
    return run(call)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt

"""From the command line to an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from sysextlib.cli.flags import Call, parse
from sysextlib.errors import SysextError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code. Errors meant for people go to stderr as text."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _command(parse(list(argv)))
    except SysextError as error:
        print(error_text(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has gone. What is still buffered must not raise again at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sysextlib"):
            raise
        print(f"error: the Python package {error.name} is missing", file=sys.stderr)
        print("  hint: run ci/setup, which makes an environment with everything", file=sys.stderr)
        return 1


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

"""From the command line to an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from sysextlib.cli.flags import Call, parse
from sysextlib.errors import SysextError

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def _command(call: Call) -> int:
    # Imported late: --help must not wait for what only a build needs.
    if call.command in {"build", "plan"}:
        from sysextlib.cli.build import build, plan

        return plan(call) if call.command == "plan" else build(call)
    if call.command == "compare-installers":
        from sysextlib.cli.compare import compare_installers

        return compare_installers(call)
    if call.command == "explain":
        from sysextlib.cli.explain import explain

        return explain(call)
    if call.command in {"base-sysexts", "oem-partition"}:
        from sysextlib.cli.assemble import base_sysexts, oem_partition

        return base_sysexts(call) if call.command == "base-sysexts" else oem_partition(call)
    from sysextlib.cli.show import catalogue, inspect, verify

    looks = {"list": catalogue, "verify": verify, "inspect": inspect}
    return looks[call.command](call)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt

"""Who owns a thing that outlives a process, so that it can be told when nobody does any more."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_LABEL = "org.flatcar.build-sysext.owner"


def owner() -> str:
    """Return a name of this very process: boot, PID namespace, PID and time of its start."""
    return f"{_here()} {os.getpid()} {_started(os.getpid())}"


def is_dead(name: str, *, running: str) -> bool:
    """Tell whether the process that ``owner`` named is no more.

    :param running: the state of the thing. Of a process elsewhere (another machine or container
        that uses the same engine) nothing is known but that what it left has ended.
    """
    here, _, rest = name.partition(" ")
    pid, _, started = rest.partition(" ")
    if here != _here():
        return running in {"exited", "dead"}
    return not pid.isdigit() or _started(int(pid)) != started


def _here() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path


def _started(pid: int) -> str:
    """Return when a process began, in the kernel's ticks since boot; "" when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]  # field 22 of proc_pid_stat(5)

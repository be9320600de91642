"""--manglefs_script: a foreign program changes a laid-out copy of the tree, in a sandbox.

The program sees the host read-only, without network, /run and /tmp, as a root that owns the copy
and can do nothing elsewhere. The sandbox keeps accidents in; it hides neither the host's files nor
every socket on its file systems from a program that means harm.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change
from sysextlib.edit.layout import lay_out, read_back
from sysextlib.errors import MangleError, MissingToolError, ToolError
from sysextlib.system.run import run
from sysextlib.tree import Entry, InvalidTreeError, Tree

if TYPE_CHECKING:
    from pathlib import Path

    from sysextlib.system.tools import Tools

TIME_LIMIT = 600  # seconds
TAIL = 4096  # bytes of a failed program's output that are shown
ROOT = "/run/install-root"  # where the program sees the copy, the same on every machine
# Within the copy the program may do what root may; outside these reach nothing, because no other
# user is mapped and everything is mounted read-only.
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID")


@dataclass(frozen=True, slots=True)
class Mangled:
    """The tree that a program left, and what it changed, in the order of paths."""

    tree: Tree
    changes: tuple[Change, ...]


def require_program(program: Path) -> Path:
    """Return the absolute path of a mangle program, before anything else is begun.

    :raises MangleError: it is absent, no file, or not executable.
    """
    hint = "--manglefs_script takes a program, which gets the path of the install root"
    if not program.exists():
        raise MangleError(f"{program} does not exist", hint=hint)
    if not program.is_file():
        raise MangleError(f"{program} is not a file", hint=hint)
    if not os.access(program, os.X_OK):
        raise MangleError(f"{program} is not executable", hint=f"chmod +x {program}")
    return program.resolve()


def run_mangle(
    program: Path,
    tree: Tree,
    tools: Tools,
    scratch: Path,
    *,
    epoch: int,
    time_limit: float = TIME_LIMIT,
) -> Mangled:
    """Run a program on a copy of the tree, with the copy's path as its only argument.

    :param scratch: a folder of this call alone; new contents stay in it, so it must outlive the
        tree that is returned.
    :param epoch: no entry that the program made is younger, seconds since 1970.
    :param time_limit: seconds.
    :raises MangleError: it failed, took too long, or left what no image can hold.
    :raises MissingToolError: bubblewrap is absent.
    """
    program = require_program(program)
    try:
        bwrap = tools.argv("bwrap")
    except MissingToolError as error:
        hint = "install bubblewrap; --manglefs_script runs nothing without its sandbox"
        raise MissingToolError(error.brief, error.facts, hint) from error
    scratch.mkdir(parents=True, exist_ok=True)
    laid = lay_out(tree, scratch / "root")
    _run(program, (*bwrap, *_sandbox(program, laid.root)), scratch / "output", time_limit)
    try:
        mangled = read_back(laid, epoch)
    except (OSError, InvalidTreeError) as error:
        raise MangleError(f"what {program.name} left cannot be read", {"reason": error}) from error
    return Mangled(mangled, _differences(tree, mangled))


def _sandbox(program: Path, root: Path) -> list[str]:
    """Return bwrap's arguments, the program's words included."""
    words = ["--unshare-all", "--uid", "0", "--gid", "0", "--cap-drop", "ALL"]
    for capability in CAPABILITIES:
        words += ["--cap-add", capability]
    words += ["--die-with-parent", "--new-session"]
    # pid 1: when it ends, the kernel has ended whatever it left running before we read the copy
    words += ["--as-pid-1"]
    words += ["--ro-bind", "/", "/", "--tmpfs", "/tmp", "--tmpfs", "/run", "--dev", "/dev"]
    # read-only, because to /proc/sys uid 0 in here is root when root runs the build
    words += ["--proc", "/proc", "--remount-ro", "/proc"]
    folder = str(program.parent)
    if folder.startswith(("/tmp/", "/run/")):
        words += ["--ro-bind", folder, folder]
    elif folder in {"/tmp", "/run"}:
        words += ["--ro-bind", str(program), str(program)]
    words += ["--bind", str(root), ROOT, "--chdir", ROOT]
    return [*words, "--", "/bin/sh", "-c", '"$@" 2>&1; exit $?', "sh", str(program), ROOT]


def _run(program: Path, argv: tuple[str, ...], output: Path, time_limit: float) -> None:
    with output.open("wb") as stream:
        try:
            result = run(
                argv, stdout=stream, codes=range(256), timeout=time_limit, name=program.name
            )
        except MissingToolError:
            raise
        except ToolError as error:
            raise MangleError(error.brief, {"last output": _tail(output)}) from error
    if result.code == 0:
        return
    if result.stderr.startswith(b"bwrap:"):
        raise MangleError(
            "the sandbox for the mangle program could not be made",
            {"bubblewrap says": result.stderr.decode(errors="replace").strip()},
            hint="unprivileged user namespaces may be switched off on this machine; "
            "see kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns",
        )
    raise MangleError(
        f"{program} failed with exit code {result.code}", {"last output": _tail(output)}
    )


def _tail(output: Path) -> str:
    with output.open("rb") as stream:
        stream.seek(max(0, output.stat().st_size - TAIL))
        return stream.read().decode(errors="replace").strip() or "(none)"


def _differences(before: Tree, after: Tree) -> tuple[Change, ...]:
    """Return what differs between two trees, in the order of paths."""
    changes = []
    for path in sorted({e.path for e in before} | {e.path for e in after}):
        detail = _difference(before.get(path), after.get(path))
        if detail:
            changes.append(Change(path, "mangle", detail))
    return tuple(changes)


def _difference(old: Entry | None, new: Entry | None) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old.kind is not new.kind:
        return f"was a {old.kind}, is a {new.kind}"
    if (old.content, old.target) != (new.content, new.target):
        return "modified"
    if old.mode != new.mode:
        return f"mode {old.mode:04o} -> {new.mode:04o}"
    return ""

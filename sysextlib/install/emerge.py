"""One call of real emerge over a base image, in the SDK: what it is told, and what it says.

Where the SDK is, a container or this machine, is the runner's affair: see ``Runner``.
"""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from sysextlib.errors import (
    BaseError,
    BoardError,
    PackageError,
    ResolveError,
    ToolError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sysextlib.errors import SysextError
    from sysextlib.progress import Progress

SCRIPT: Final = Path(__file__).with_name("emerge.sh")
# A namespace of processes makes sure that nothing outlives the script, one of mounts likewise.
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
OPTIONS = ("--oneshot", "--binpkg-respect-use=y", "--verbose", "--color=n")
MERGE_OPTIONS = ("--usepkgonly", "--with-bdeps=n")
BUILD_OPTIONS = ("--usepkg", "--with-bdeps=y")
# -ebuild-locks, binpkg-multi-instance: as upstream's build_sysext. Two packages with the same file
# are compared afterwards, as are packages and base; emerge would refuse also what is equal.
FEATURES = "-ebuild-locks binpkg-multi-instance -collision-protect -protect-owned -news"
LOG_KEPT = 4000  # lines of the log that are looked through for the message that matters
SHOWN = 14  # lines of it that an error shows

_INSTALLING = re.compile(r">>> (?:Installing|Emerging) \((\d+) of (\d+)\) (\S+?)(::\S+)?( |$)")
_STATE = re.compile(r"^@(\S+) ?(.*)$")
_RESOLVING = (  # how emerge begins to say that it found no plan
    "emerge: there are no binary packages to satisfy",
    "emerge: there are no ebuilds",
    "!!! All ebuilds that could satisfy",
    "!!! All binary packages that could satisfy",
    "!!! The following binary packages have been ignored due to",
    "!!! Multiple package instances within a single package slot",
    " * Error: The above package list contains packages which cannot be",
    "!!! Unable to parse",
    "!!! '",
)
_DAMAGED = (
    "!!! Digest verification failed",
    "!!! Invalid binary package",
    "!!! Checksum mismatched",
    "!!! Failed to verify",
    "!!! Reason: Filesize does not match",
    "portage.exception.InvalidBinaryPackageFormat",
    "portage.exception.CompressorOperationFailed",
    "portage.exception.MissingSignature",
    "portage.exception.DigestException",
)
_FAILED = (" * ERROR: ", "!!! FAILED ", "!!! ERROR", ">>> Failed to install", "!!! ")
_HARMLESS = ("!!! CONFIG_PROTECT is empty",)  # which we make it: there is nobody to ask
# what a program says when a limit is reached, and what that means
_EXHAUSTED = {
    "No space left on device": (
        "no space left in the SDK container",
        "make room where the container engine keeps its data (docker system df)",
    ),
    "fork: Resource temporarily unavailable": (
        "too many processes in the SDK container",
        "does a package's hook fork without end?",
    ),
}


class Runner(Protocol):
    """Something that runs programs in the SDK."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        feed: bytes,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
    ) -> int:
        """Run a program to its end, standard input open meanwhile; return its exit code."""

    def stop(self) -> None:
        """End what runs; who waits for it gets an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergeCall:
    """What one emerge is to do; all paths are the SDK's.

    :param root_name: the last part of ROOT, which package hooks look at.
    :param use: flags for all packages, as USE in the environment.
    :param package_use: lines for the board's package.use.
    :param base: the base image; ``base_digest`` names its unpacked copy below ``bases``, and with
        "" for ``bases`` it is mounted or unpacked each time.
    :param pkginfo: package databases above the base, the later above the earlier.
    :param below: files of var/db/pkg of what counts as installed beside those.
    :param packages: the folder of binary packages, "" for none; ``remote``: URLs of others.
    :param build: make binary packages from source, into ``packages``, instead of installing them;
        no base takes part.
    :param signing: the files that MODULES_SIGN_KEY and MODULES_SIGN_CERT name, which ebuilds of
        kernel modules read, by these names.
    """

    board: str
    atoms: tuple[str, ...]
    root_name: str
    use: str = ""
    package_use: tuple[str, ...] = ()
    base: str
    base_digest: str
    bases: str
    build: bool = False
    signing: Mapping[str, bytes] = field(default_factory=dict)
    pkginfo: tuple[str, ...] = ()
    below: Mapping[str, bytes] = field(default_factory=dict)
    packages: str
    remote: tuple[str, ...] = ()
    scratch: str
    jobs: int = 1

    def argv(self) -> tuple[str, ...]:
        """Return the command line."""
        by_mode = BUILD_OPTIONS if self.build else MERGE_OPTIONS
        options = [*OPTIONS, *by_mode, f"--jobs={self.jobs}"]
        if self.remote:
            options.append("--getbinpkg")
        script = SCRIPT.read_text(encoding="utf-8")
        return (*NAMESPACES, "--", "/bin/bash", "-c", script, "emerge.sh", *options, *self.atoms)

    def environment(self) -> dict[str, str]:
        """Return the script's environment; emerge's own is made in it, from nothing."""
        return {
            "BOARD": self.board,
            "ROOT_NAME": self.root_name,
            "MODE": "build" if self.build else "merge",
            "GIVEN_USE": self.use,
            "GIVEN_PORTAGE_BINHOST": " ".join(self.remote),
            "FEATURES": FEATURES,
            "BASE": self.base,
            "DIGEST": self.base_digest,
            "BASES": self.bases,
            "PKGINFO": "\n".join(self.pkginfo),
            "PACKAGES": self.packages,
            "SCRATCH": self.scratch,
            "INPUT_SIZE": str(len(self.feed())),
        }

    def feed(self) -> bytes:
        """Return the files that are handed over on standard input, as a tar."""
        stream = io.BytesIO()
        files = {"package.use": "".join(f"{line}\n" for line in self.package_use).encode()}
        files |= {f"below/{path}": data for path, data in self.below.items()}
        files |= {f"signing/{name}": data for name, data in self.signing.items()}
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, data in sorted(files.items()):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return stream.getvalue()


def run_emerge(
    call: EmergeCall,
    runner: Runner,
    *,
    out: Callable[[bytes], object],
    log: Path,
    progress: Progress,
) -> EmergeLog:
    """Run emerge as ``call`` says; ``log`` receives all that it says.

    :param out: receives the layer that it wrote, as a tar.
    :raises SysextError: it failed; the error shows the lines that matter.
    """
    with log.open("wb") as kept:
        said = EmergeLog(progress, kept.write)
        code = runner.run(
            call.argv(), env=call.environment(), feed=call.feed(), out=out, err=said.feed
        )
    if code or said.state != "complete":
        raise said.failure()
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """An SDK that is ready, with the places where it sees our inputs; see ``EmergeCall``.

    :param scratch: a folder of the SDK for what emerge writes; "" when the build's own is seen.
    :param keep_log: publish what emerge said also when it succeeded.
    """

    runner: Runner
    base: str
    bases: str = ""
    pkginfo: tuple[str, ...] = ()
    packages: str = ""
    remote: tuple[str, ...] = ()
    scratch: str = ""
    keep_log: bool = False


class EmergeLog:
    """What emerge says, line by line: progress, the list of packages, and what went wrong.

    :param keep: receives every byte.
    """

    def __init__(self, progress: Progress, keep: Callable[[bytes], object]) -> None:
        self.order: dict[str, int] = {}  # the place of each package in the plan, by cpv
        self.state = ""
        self.detail = ""
        self._progress = progress
        self._keep = keep
        self._open = b""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._keep(data)
        *lines, self._open = (self._open + data).split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace").rstrip())

    def _line(self, line: str) -> None:
        if line.startswith("@") and (match := _STATE.match(line)):
            self.state, self.detail = match[1], match[2]
            if self.state == "unpacking":
                self._progress.note("unpacking the base image in the SDK, once")
            return
        if line.startswith(_HARMLESS):
            return
        self._lines.append(line)
        if len(self._lines) > LOG_KEPT:
            del self._lines[: LOG_KEPT // 2]
        if match := _INSTALLING.search(line):
            number, total = int(match[1]), int(match[2])
            self.order[match[3]] = number
            self._progress.advance(number, total)

    def failure(self) -> SysextError:
        """Return what ended the call, as an error that shows the lines that matter."""
        if self.state == "no-board":
            return BoardError(
                "the SDK knows no such board",
                {"looked for": self.detail},
                hint="run setup_board in the SDK, or take an SDK image that has the board",
            )
        if self.state == "no-base":
            return BaseError(
                "the base image cannot be unpacked in the SDK",
                {"file": self.detail, "last output": "\n".join(self._lines[-3:])},
                hint="is there room enough for it where the container engine keeps its data?",
            )
        if self.state == "no-mount":
            return ToolError(
                "the SDK container may not mount",
                {"kind": self.detail, "last output": "\n".join(self._lines[-3:])},
                hint="it needs the capability SYS_ADMIN, and no AppArmor profile against mounts",
            )
        if self.state == "read-only":
            return UsageError(
                "the SDK may not write where packages are built to",
                {"in the SDK": self.detail},
                hint="mount the folder of the first --binhost there so that it can be written",
            )
        if self.state == "no-memory":
            return ToolError(
                "the memory of the SDK container did not suffice",
                {"last output": "\n".join(self._lines[-3:])},
                hint="try --jobs=1, or give the container engine's machine more memory",
            )
        for phrase, (brief, hint) in _EXHAUSTED.items():
            if any(phrase in line for line in self._lines):
                return ToolError(brief, {"last output": "\n".join(self._lines[-3:])}, hint)
        return self._emerge_failure()

    def _emerge_failure(self) -> SysextError:
        for kind, marks, brief, hint in (
            (ResolveError, _RESOLVING, "emerge found no plan", ""),
            (PackageError, _DAMAGED, "emerge refuses a binary package", "fetch or build it again"),
            (ToolError, _FAILED, "emerge failed", ""),
        ):
            for mark in marks:
                at = next((i for i, t in enumerate(self._lines) if t.startswith(mark)), None)
                if at is not None:
                    return kind(brief, {"emerge says": _message(self._lines[at:])}, hint)
        return ToolError("emerge failed", {"last output": "\n".join(self._lines[-SHOWN:])})


def _message(lines: Sequence[str]) -> str:
    """Return the lines that matter: to the end of the message, no longer than can be read."""
    shown: list[str] = []
    for line in lines:
        text = line.removeprefix(" *").strip() or ""
        if text.startswith(("Call stack:", "If you need support", "The specific snippet")):
            break
        if text and not text.startswith(('(see "', "http")):
            shown.append(line.rstrip())
        if len(shown) == SHOWN:
            shown.append("...")
            break
    return "\n".join(shown)

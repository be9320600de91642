"""A virtual machine that runs the demo board's base image, with systemd as PID 1."""

from __future__ import annotations

import base64
import contextlib
import os
import shlex
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ci.vm.payload import boot_script, checkout_certificate, write_payload_disk
from ci.vm.qemu import QEMU, qemu_argv
from ci.vm.root import VmRoot, vm_root
from ci.vm.work import BOUND, work_folder
from sysextlib.errors import MissingToolError
from sysextlib.system.cache import cache_root
from tests.builders.demo import demo_board
from tests.builders.needs import require_tool, unmet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Everything is emulated, perhaps beside other work: ten times what an idle machine needs.
BOOT = 600  # seconds until the agent answers
COMMAND = 300
TAIL = 4000  # characters of the console that a failure shows


def demo_root() -> VmRoot:
    """Return the demo board's root disk, or skip the test."""
    require_tool(QEMU, "mke2fs", "unsquashfs", "chroot", "setpriv")
    board = demo_board()
    try:
        return vm_root(board.image, cache_root())
    except MissingToolError as error:
        unmet(str(error))
        raise


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script did in the machine: its exit status, and both its outputs in one."""

    code: int
    text: str


@dataclass
class Vm:
    """A running machine; a context manager, so that it ends with its block.

    :param images: files that /mnt/payload shows, by name.
    :param merged: names of images that are linked into /run/extensions before systemd-sysext runs;
        those that end in .confext.raw into /run/confexts.
    :param boot: a further script that runs then.
    :param selinux: off, permissive or enforcing.
    """

    images: Mapping[str, Path | bytes] = field(default_factory=dict)
    merged: Sequence[str] = ()
    boot: str = ""
    selinux: str = "off"
    kernel: str = ""
    root: VmRoot = field(default_factory=demo_root)
    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        try:
            self.folder = self._stack.enter_context(work_folder())
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        disk = self.folder / "payload"
        script = boot_script(self.merged, self.boot)
        files = {**self.images, "boot": script.encode()}
        write_payload_disk(disk, files, checkout_certificate())
        agent = self.folder / "agent"
        argv = qemu_argv(
            self.root,
            console=["file", f"path={self.folder / 'console'}"],
            payload=disk,
            agent=agent,
            selinux=self.selinux,
            kernel=self.kernel,
        )
        started = time.monotonic()
        self._process = subprocess.Popen(
            [*BOUND, "nice", *argv],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(self._end)
        self._connect(agent)
        self.wait_for_agent()
        disk.unlink()  # QEMU has it open: whatever kills us from now on, it is gone with QEMU
        self.seconds = time.monotonic() - started

    def _connect(self, path: Path) -> None:
        deadline = time.monotonic() + 30
        self._socket = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        while True:
            try:
                self._socket.connect(os.fspath(path))
            except OSError:
                if self._process.poll() is not None:
                    raise AssertionError(f"QEMU ended: {self._complaint()}") from None
                assert time.monotonic() < deadline, "QEMU opened no socket"
                time.sleep(0.05)
            else:
                self._answers = self._stack.enter_context(self._socket.makefile("rb"))
                return

    def wait_for_agent(self) -> None:
        """Return when the agent of this boot, or of the next one, is ready."""
        self._socket.settimeout(BOOT)
        while self._read_line() != "ready":
            pass

    def run(self, script: str, seconds: float = COMMAND) -> Answer:
        """Run a bash script as root."""
        self._send(script, seconds)
        code, _, output = self._read_line().partition(" ")
        return Answer(int(code), base64.b64decode(output).decode(errors="replace").rstrip("\n"))

    def ok(self, script: str, seconds: float = COMMAND) -> str:
        """Run a bash script that has to succeed; return what it printed."""
        answer = self.run(script, seconds)
        assert answer.code == 0, f"{script!r} failed with {answer.code}:\n{answer.text}"
        return answer.text

    def until(self, script: str, seconds: int = COMMAND) -> str:
        """Repeat a script each second until it succeeds."""
        word = shlex.quote(script)
        looped = f"for i in $(seq {seconds}); do bash -c {word} && exit; sleep 1; done; exit 1"
        return self.ok(looped, seconds * 2)

    def reboot(self) -> None:
        """Restart the machine; its root keeps what was changed."""
        self._send("systemctl --no-block reboot", COMMAND)  # the answer may not come any more
        self.wait_for_agent()

    def merged_names(self) -> set[str]:
        """Return the names of the extensions that /usr shows now."""
        status = self.ok("systemd-sysext status --no-legend --no-pager")
        lines = [line.split() for line in status.splitlines()]
        names: set[str] = set()
        inside = False
        for words in lines:
            if words[0].startswith("/"):
                inside = words[0] == "/usr"
                words = words[1:]
            if inside and words and words[0] != "none":
                names.add(words[0])
        return names

    @property
    def console(self) -> str:
        """What the machine wrote on its console so far."""
        return (self.folder / "console").read_text(errors="replace")

    def _send(self, script: str, seconds: float) -> None:
        self._socket.settimeout(seconds)
        self._socket.sendall(base64.b64encode(script.encode()) + b"\n")

    def _read_line(self) -> str:
        try:
            line = self._answers.readline()
        except TimeoutError:
            raise AssertionError(f"no answer; the console's end:\n{self.console[-TAIL:]}") from None
        except ConnectionResetError:
            line = b""
        if not line:
            raise AssertionError(f"QEMU ended: {self._complaint()}\n{self.console[-TAIL:]}")
        return line.decode().strip()

    def _complaint(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

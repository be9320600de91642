"""Finished boards in the cache, by the digest of what they were made from, and their use."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ci.demo_board.base_root import IMAGE, VERSION_FILE
from ci.demo_board.portage import portage_version
from ci.demo_board.recipe import BOARD, CHECKOUT, FOLDER, LOCK
from sysextlib.made_from import RECORD
from sysextlib.system.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.demo_board.receipt import Terminal

KEPT = 3  # finished boards; each takes about half a gigabyte
# What says nothing about the outcome; the lock counts by the packages that were really used.
NOT_INPUTS = frozenset({LOCK.name, "README.md", "board.toml", "cache.py", "debs.py", "receipt.py"})
VERSION_OF = (("mksquashfs", "-version"), ("tar", "--version"), ("zstd", "--version"))


class BoardCache:
    """The folder demo-board of the cache.

    DIGEST/ is a finished board; by-lock/DIGEST tells which one a lock file led to, so that a
    second run needs no mirror; .new-*/ is what a run works in.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "demo-board"

    @property
    def debs(self) -> Path:
        return self.folder / "debs"

    def find(self, lock_key: str) -> Path | None:
        """Return the finished board that this lock file led to."""
        note = self.folder / "by-lock" / lock_key
        with contextlib.suppress(OSError):
            return self.finished(note.read_text(encoding="utf-8").strip())
        return None

    def finished(self, key: str) -> Path | None:
        result = self.folder / key
        if not (result / VERSION_FILE).is_file():
            return None
        with contextlib.suppress(PermissionError):
            os.utime(result)
        return result

    def note(self, lock_key: str, key: str) -> None:
        folder = self.folder / "by-lock"
        folder.mkdir(exist_ok=True)
        new = folder / f".{lock_key}"
        new.write_text(key + "\n", encoding="utf-8")
        new.rename(folder / lock_key)

    @contextlib.contextmanager
    def alone(self, terminal: Terminal) -> Iterator[None]:
        """Let one run at a time work here, and begin by removing what killed ones left."""
        self.debs.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                terminal.say("waiting for another run that builds the demo board")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left in [*self.folder.glob(".new-*"), *self.debs.glob(".fetch-*")]:
                terminal.say(f"removing {left}, which a killed run left")
                shutil.rmtree(left, ignore_errors=True)
            yield

    @contextlib.contextmanager
    def new(self, key: str) -> Iterator[tuple[Path, Path]]:
        """Give a folder for the board and one to work in; the first becomes DIGEST at the end.

        When the block raises, both stay for whoever wants to read the logs, until the next run.
        """
        parent = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        parent.chmod(0o755)
        out, work = parent / "board", parent / "work"
        out.mkdir()
        work.mkdir()
        yield out, work
        self._prune()
        out.rename(self.folder / key)
        shutil.rmtree(parent)

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user own everything here: root built it on his behalf."""
        for folder, folders, files in os.walk(self.folder):
            for path in (Path(folder, name) for name in (*folders, *files, "")):
                os.chown(path, uid, gid, follow_symlinks=False)

    def _prune(self) -> None:
        boards = [path.parent for path in self.folder.glob(f"*/{VERSION_FILE}")]
        boards.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in boards[KEPT - 1 :]:
            shutil.rmtree(old, ignore_errors=True)


def inputs_digest(programs: Path, os_id: str) -> str:
    """Return a digest of the board's files, of the code here, and of the programs' versions."""
    total = hashlib.sha256()
    for path in input_files():
        total.update(f"{path.relative_to(CHECKOUT)} {_sha256(path)}\n".encode())
    total.update(f"portage {portage_version(programs)}\nID {os_id}\n".encode())
    for words in VERSION_OF:
        told = run(words, codes=(0, 1)).stdout.partition(b"\n")[0]
        total.update(told + b"\n")
    return total.hexdigest()


def input_files() -> list[Path]:
    """Return the files of the checkout that decide what is built, but for the lock."""
    sources = [*FOLDER.rglob("*"), *Path(__file__).parent.glob("*.py")]
    return sorted(path for path in sources if path.is_file() and path.name not in NOT_INPUTS)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def combine(*parts: str) -> str:
    """Return one short digest of texts."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{len(part)}:{part}".encode())
    return total.hexdigest()[:32]


def link_board(result: Path, out: Path, version: str) -> Path:
    """Make a finished board appear in ``out`` as upstream's build would leave it.

    The image is a hard link (a copy, on another file system), never a symbolic one: outputs go
    to the folder where the image really lies, and that must not be the cache.

    :return: the folder of the image.
    """
    images = out / "images" / BOARD
    folder = images / version
    folder.mkdir(parents=True, exist_ok=True)
    for name in (IMAGE, VERSION_FILE):
        _place(result / name, folder / name)
    new = folder / f".{RECORD}.{os.getpid()}"
    new.write_text(_record(), encoding="utf-8")
    new.replace(folder / RECORD)
    _link(Path(version), images / "latest")
    (out / "packages").mkdir(parents=True, exist_ok=True)
    _link((result / "packages").resolve(), out / "packages" / BOARD)
    return folder


def _record() -> str:
    """Return what a build later compares with the checkout, to see that the board is stale."""
    lines = ["# made by ci/make-demo-board"]
    lines += [
        f"# all of {(FOLDER / name).relative_to(CHECKOUT)}" for name in ("overlay", "profile")
    ]
    for path in [*input_files(), *([LOCK] if LOCK.exists() else [])]:
        lines.append(f"{_sha256(path)}  {path.relative_to(CHECKOUT)}")
    return "\n".join(lines) + "\n"


def _place(source: Path, target: Path) -> None:
    if target.exists() and _same(source, target):
        return
    new = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.link(source, new)
    except OSError:
        shutil.copy2(source, new)
    new.replace(target)


def _same(source: Path, target: Path) -> bool:
    """Tell whether they are one file, or a copy that was made of it (same size and time)."""
    one, other = source.stat(), target.stat()
    return os.path.samestat(one, other) or (
        (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    )


def _link(target: Path, link: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)

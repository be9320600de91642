"""Who merges the packages of a call: our own installer, or emerge in an SDK that is made ready."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sysextlib.binpkg.binhost import FolderBinhost
from sysextlib.board import Installer
from sysextlib.cli.build_missing import build_missing, module_signing
from sysextlib.cli.find_base import ROOT
from sysextlib.cli.flags import COMPARE
from sysextlib.cli.mismatch import mismatches_of
from sysextlib.errors import BoardError, ToolError, UsageError, VersionMismatchError
from sysextlib.install.emerge import Sdk
from sysextlib.system.cache import cache_root
from sysextlib.version_file import read_version_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sysextlib.board import Board
    from sysextlib.cli.call import Call
    from sysextlib.install.emerge import Runner
    from sysextlib.order import Inputs, Order
    from sysextlib.progress import Progress
    from sysextlib.system.container import Container
    from sysextlib.system.docker import Bind, Engine

NATIVE, SDK, EMERGE = "native", "sdk", "emerge"
DEBIAN_CHROOT = Path("/etc/debian_chroot")  # how upstream's scripts tell that they are in the SDK
SOURCE = "/mnt/host/source"  # where the SDK has the checkout
SDK_VERSION_FILE = f"{SOURCE}/.repo/manifests/version.txt"
BASES = "build-sysext-bases"  # the volume of unpacked base images, which outlives builds


@contextlib.contextmanager
def with_installer(
    call: Call, inputs: Inputs, progress: Progress, orders: Sequence[Order]
) -> Iterator[Inputs]:
    """Yield the inputs with the installer that call and board choose, ready to be used.

    With --build_missing, what ``orders`` lack is in the binhosts by then.

    :raises SysextError: it cannot be had.
    """
    missing = call.on("build_missing")
    signing = module_signing() if missing else {}
    with _ready(call, inputs, progress) as ready:
        if missing:
            yield build_missing(orders, ready, signing, cache_root(), progress)
        else:
            yield ready


@contextlib.contextmanager
def _ready(call: Call, inputs: Inputs, progress: Progress) -> Iterator[Inputs]:
    who = _chosen(call)
    if who == EMERGE:
        yield replace(inputs, sdk=_here(call, inputs))
        return
    if who == NATIVE:
        yield inputs
        return
    if who is None and inputs.board.installer is Installer.NATIVE:
        yield inputs
        return
    engine = _engine(call, inputs.board, progress, needed=who is not None)
    if engine is None:
        yield inputs
        return
    with engine:
        for left in engine.sweep():
            progress.note(f"removed {left}, which a killed build left")
        with _container(call, inputs, engine, progress) as sdk:
            with mismatches_of(call, progress):
                _require_version(inputs, sdk.runner, progress)
            yield replace(inputs, sdk=sdk)


def _chosen(call: Call) -> str | None:
    """Return the installer that the call names, None when it does not."""
    who = call.text("installer")
    if call.text("profile") and call.command != COMPARE:
        if who in {SDK, EMERGE} or call.text("sdk_container") or call.text("sdk_image"):
            raise UsageError(
                "--profile is for our own installer: emerge goes by the profile that it has",
                hint="leave it out, or take --installer=native",
            )
        return NATIVE
    if call.text("sdk_container") or call.text("sdk_image"):
        if who in {NATIVE, EMERGE}:
            raise UsageError(f"--installer={who} uses no SDK container", hint="leave one out")
        if call.text("sdk_container") and call.text("sdk_image"):
            raise UsageError("--sdk_container runs already; it takes no --sdk_image")
        return SDK
    return who or (SDK if call.command == COMPARE else None)


def _engine(call: Call, board: Board, progress: Progress, *, needed: bool) -> Engine | None:
    """Return the container engine, None when only the board asks for the SDK and it is not there.

    :raises SysextError: the call asks for it, and it cannot be had.
    """
    from sysextlib.system.docker import Engine  # late: a second, which native builds do not need

    try:
        if not call.text("sdk_container"):
            _image(call, board)  # before anything is started
        engine = Engine.connect()
    except (BoardError, ToolError, ModuleNotFoundError) as error:
        if needed:
            raise
        progress.note(f"merging natively: {error}".partition("\n")[0])
        return None
    if not needed:
        progress.note(
            f"merging with emerge in the SDK container, as board {board.name} says;"
            " --installer=native does without"
        )
    return engine


@contextlib.contextmanager
def _container(call: Call, inputs: Inputs, engine: Engine, progress: Progress) -> Iterator[Sdk]:
    """Yield the SDK in a container: one that runs already, or a new one for this call."""
    name = call.text("sdk_container")
    if name:
        yield _in_running(call, inputs, engine.running(name), name)
        return
    from sysextlib.system.docker import HERE, Bind

    image = _image(call, inputs.board)
    engine.require_image(image, progress, offline=call.on("offline"))
    base = Bind(source=inputs.base.image.resolve(), target=f"{HERE}/base.squashfs")
    pkginfo = [
        Bind(source=path.resolve(), target=f"{HERE}/pkginfo/{number}.raw")
        for number, path in enumerate(inputs.pkginfo)
    ]
    folders, remote = _binhosts(inputs)
    packages = [
        Bind(
            source=folder.resolve(),
            target=f"{HERE}/packages/{number}",
            writable=call.on("build_missing") and number == 0,
        )
        for number, folder in enumerate(folders)
    ]
    binds = [base, *pkginfo, *packages, *_checkout()]
    with (
        progress.step(f"Start {image}"),
        contextlib.ExitStack() as starting,
    ):
        container = starting.enter_context(
            engine.start(image, binds=binds, kept=BASES, cpus=inputs.jobs, network=bool(remote))
        )
        running = starting.pop_all()
    with running:
        yield Sdk(
            runner=container,
            base=base.target,
            bases=f"{HERE}/bases",
            pkginfo=tuple(bind.target for bind in pkginfo),
            packages=packages[0].target if packages else "",
            remote=(*(f"file://{bind.target}" for bind in packages[1:]), *remote),
            scratch=f"{HERE}/scratch",
            keep_log=call.on("emerge_log"),
        )


def _checkout() -> list[Bind]:
    """Return what the SDK must see of a checkout of flatcar/scripts: its profiles and overlays."""
    from sysextlib.system.docker import Bind

    folder = ROOT / "sdk_container"
    return [Bind(source=folder, target=SOURCE)] if folder.is_dir() else []


def _in_running(call: Call, inputs: Inputs, container: Container, name: str) -> Sdk:
    """Return the SDK in somebody's container, which must see our inputs already."""

    def place(path: Path) -> str:
        found = container.place(path)
        if found is None:
            raise UsageError(
                f"container {name} does not see {path}",
                {"why": "base image and packages must lie in a folder that is mounted there"},
                hint="start it with the folder mounted, or leave --sdk_container out",
            )
        return found

    folders, remote = _binhosts(inputs)
    places = [place(folder) for folder in folders]
    return Sdk(
        runner=container,
        base=place(inputs.base.image),
        pkginfo=tuple(place(path) for path in inputs.pkginfo),
        packages=places[0] if places else "",
        remote=(*(f"file://{folder}" for folder in places[1:]), *remote),
        scratch="/var/tmp/build_sysext",
        keep_log=call.on("emerge_log"),
    )


def _here(call: Call, inputs: Inputs) -> Sdk:
    """Return the SDK that this machine is.

    :raises UsageError: it is none.
    """
    from sysextlib.system.here import Here

    if not DEBIAN_CHROOT.exists():
        raise UsageError(
            "--installer=emerge is for inside the SDK, and this is not it",
            {"looked for": DEBIAN_CHROOT},
            hint="--installer=sdk starts the SDK's container",
        )
    if os.geteuid() != 0:
        raise UsageError("--installer=emerge mounts, which only root may", hint="use sudo -E")
    folders, remote = _binhosts(inputs)
    return Sdk(
        runner=Here(),
        base=str(inputs.base.image.absolute()),
        pkginfo=tuple(str(path.absolute()) for path in inputs.pkginfo),
        packages=str(folders[0]) if folders else "",
        remote=(*(f"file://{folder}" for folder in folders[1:]), *remote),
        keep_log=call.on("emerge_log"),
    )


def _image(call: Call, board: Board) -> str:
    """Return the SDK's image, by the version that version.txt states."""
    image = call.text("sdk_image") or board.sdk_image
    if image is None:
        raise BoardError(
            f"board {board.name} names no SDK image", hint="name one with --sdk_image=IMAGE"
        )
    if "{sdk_version}" not in image:
        return image
    file = Path(board.version_file or "")
    if not file.is_file():
        raise BoardError(
            "which SDK belongs to this checkout is not stated",
            {"looked for": file},
            hint="name the SDK's image with --sdk_image=IMAGE, or use --installer=native",
        )
    version = read_version_file(file).sdk_version.replace("+", "-")
    return image.replace("{sdk_version}", version)


def _binhosts(inputs: Inputs) -> tuple[list[Path], list[str]]:
    """Return the folders and the URLs among the binhosts."""
    folders, remote = [], []
    for binhost in inputs.binhosts.binhosts:
        if isinstance(binhost, FolderBinhost):
            folders.append(binhost.folder)
        elif urlsplit(binhost.location).scheme in {"http", "https"}:
            remote.append(binhost.location)
    return folders, remote


def _require_version(inputs: Inputs, runner: Runner, progress: Progress) -> None:
    """Refuse an SDK whose checkout is of another version than the base.

    :raises VersionMismatchError: it is.
    """
    said: list[bytes] = []
    code = runner.run(
        ["cat", SDK_VERSION_FILE], env={}, feed=b"", out=said.append, err=lambda _: None
    )
    if code:
        progress.note(f"the SDK does not state its version: it has no {SDK_VERSION_FILE}")
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "version.txt"
        file.write_bytes(b"".join(said))
        version = read_version_file(file).version_id
    if version != inputs.base.version_id:
        raise VersionMismatchError(
            "SDK and base image are of different versions",
            {"SDK": version, f"base image {inputs.base.image}": inputs.base.version_id},
            hint="take both of one release",
        )

"""The container engine: docker, or podman behind docker's socket. The only door to it.

What a build starts here is removed by whoever is left: the build itself at its end; the engine,
when the build is killed, because the container lives only as long as the build holds its standard
input (``StdinOnce``) and is removed when it ends (``AutoRemove``); and the next build, when the
engine was killed too (``Engine.sweep``).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import docker
import docker.errors
import requests.exceptions
from docker.types import Mount
from docker.utils import socket as framing

from sysextlib.errors import ContainerError, MissingToolError
from sysextlib.system.owner import OWNER_LABEL, is_dead, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sysextlib.progress import Progress

# Why each, for a root that installs files of all owners and modes over an overlay of its own:
CAPABILITIES = (
    "CHOWN",  # files of packages belong to many users
    "DAC_OVERRIDE",  # and lie in folders that only those may enter
    "FOWNER",  # modes and times of such files
    "FSETID",  # setuid and setgid stay on a file that is written
    "SETFCAP",  # file capabilities: fcaps
    "MKNOD",  # overlayfs hides a lower file by a device node
    "SYS_ADMIN",  # mount; trusted.overlay.* attributes
    "SYS_CHROOT",  # package hooks that enter the root
    "SETUID",  # Portage drops privileges where FEATURES say so
    "SETGID",
    "KILL",  # ending what a package's hook left running
)
# AppArmor's profile for docker refuses every mount, and SELinux' type for containers the reading of
# what is mounted from the host. The default seccomp filter stays: it permits what SYS_ADMIN needs.
SECURITY = ("apparmor=unconfined", "label=disable")
PROCESSES = 8192  # a limit against a hook that forks without end
TIMEOUT = 60  # seconds for an answer of the engine; not for the length of a program
HERE = "/build_sysext"  # our folder in a container
PODMAN = ("{runtime}/podman/podman.sock", "/run/podman/podman.sock")
DEFAULT = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder of this machine, at a path of the container."""

    source: Path
    target: str
    writable: bool = False


class Engine:
    """A container engine that answers; a context manager."""

    def __init__(self, client: docker.DockerClient, host: str) -> None:
        self._client = client
        self._api: Any = client.api
        self.host = host

    @classmethod
    def connect(cls) -> Self:
        """Find the engine: DOCKER_HOST, docker's current context, or podman's sockets.

        :raises MissingToolError: there is none. :raises ContainerError: it does not let us in,
            or does not answer.
        """
        tried = []
        for host, tls in _places():
            reason = _unreachable(host)
            if isinstance(reason, PermissionError):
                raise ContainerError(
                    "this user may not talk to the container engine",
                    {"socket": host, "reason": reason.strerror},
                    hint="join its group (usermod -aG docker USER, then log in again), or start an"
                    " engine of your own (systemctl --user start podman.socket)",
                )
            if reason is None:
                return cls(_client(host, tls), host)
            tried.append(f"{host}: {reason.strerror or reason}")
        raise MissingToolError(
            "no container engine answers",
            {"tried": "\n".join(tried)},
            hint="start docker or podman, name one with DOCKER_HOST, or build with"
            " --installer=native",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def label(self, image: str, name: str) -> str:
        """Return a label of an image, "" when image or label is not there."""
        with _answering():
            try:
                config = self._api.inspect_image(image)["Config"] or {}
            except docker.errors.ImageNotFound:
                return ""
        return str((config.get("Labels") or {}).get(name, ""))

    def import_image(self, root: Path, image: str, labels: Mapping[str, str]) -> None:
        """Make an image of the tar of a root."""
        name, _, tag = image.partition(":")
        changes = [f"LABEL {key}={value}" for key, value in labels.items()]
        with _answering():
            told = self._api.import_image_from_file(
                str(root), repository=name, tag=tag, changes=changes
            )
        if "error" in told:
            raise ContainerError(f"{image} cannot be imported", {"engine says": told.strip()})

    def require_image(self, image: str, progress: Progress, *, offline: bool = False) -> str:
        """Return the digest of an image, pulled when it is not here.

        :raises ContainerError: it is not here and cannot be had.
        """
        with _answering():
            try:
                return str(self._api.inspect_image(image)["Id"])
            except docker.errors.ImageNotFound:
                pass
            if offline:
                raise _no_image(image, self.host, "--offline was given")
            with progress.step(f"Pull {image}"):
                self._pull(image, progress)
            return str(self._api.inspect_image(image)["Id"])

    def _pull(self, image: str, progress: Progress) -> None:
        fault = ""
        layers: dict[str, tuple[int, int]] = {}
        try:
            for event in self._api.pull(image, stream=True, decode=True):
                fault = event.get("error", fault)
                detail = event.get("progressDetail") or {}
                if detail.get("total"):
                    layers[event["id"]] = detail["current"], detail["total"]
                    progress.advance(
                        sum(done for done, _ in layers.values()),
                        sum(total for _, total in layers.values()),
                    )
        except docker.errors.APIError as error:
            fault = error.explanation or str(error)
        if fault:
            raise _no_image(image, self.host, fault)

    def sweep(self) -> tuple[str, ...]:
        """Remove the containers and volumes of builds that are no more; return their names."""
        gone = []
        ours = {"label": OWNER_LABEL}
        with _answering():
            for found in self._api.containers(all=True, filters=ours):
                if is_dead(found["Labels"].get(OWNER_LABEL, ""), running=found["State"]):
                    gone.append(found["Names"][0].lstrip("/") if found["Names"] else found["Id"])
                    self._remove(found["Id"])
            for volume in self._api.volumes(filters={**ours, "dangling": True})["Volumes"]:
                if is_dead((volume["Labels"] or {}).get(OWNER_LABEL, ""), running=""):
                    gone.append(volume["Name"])
                    with contextlib.suppress(docker.errors.APIError):
                        self._api.remove_volume(volume["Name"])
        return tuple(gone)

    @contextlib.contextmanager
    def start(
        self, image: str, *, binds: Sequence[Bind], kept: str, cpus: int, network: bool
    ) -> Iterator[Container]:
        """Start a container that does nothing but wait, and remove it at the end of the block.

        It has a volume of its own at HERE/scratch, and the volume ``kept``, which outlives it, at
        HERE/bases.

        :param cpus: how many processors it may use.
        :param network: whether it can reach one; never the host's.
        :raises ContainerError: it cannot be started.
        """
        with _answering():
            api = self._api
            mounts = [
                Mount(f"{HERE}/scratch", None, type="volume", labels={OWNER_LABEL: owner()}),
                Mount(f"{HERE}/bases", kept, type="volume"),
                *(
                    Mount(bind.target, str(bind.source), type="bind", read_only=not bind.writable)
                    for bind in binds
                ),
            ]
            made: dict[str, str] = {}
            lifeline: Any = None
            try:
                made = api.create_container(
                    image,
                    entrypoint=["/bin/cat"],
                    stdin_open=True,
                    user="0:0",
                    labels={OWNER_LABEL: owner()},
                    host_config=api.create_host_config(
                        mounts=mounts,
                        cap_drop=["ALL"],
                        cap_add=list(CAPABILITIES),
                        security_opt=list(SECURITY),
                        network_mode="bridge" if network else "none",
                        pids_limit=PROCESSES,
                        nano_cpus=min(cpus, api.info()["NCPU"]) * 1_000_000_000,
                        init=True,
                        auto_remove=True,
                    ),
                )
                lifeline = api.attach_socket(made["Id"], params={"stdin": 1, "stream": 1})
                api.start(made["Id"])
                yield Container(self._client, made["Id"])
            except docker.errors.APIError as error:
                raise ContainerError(
                    "the SDK container cannot be started",
                    {"image": image, "engine says": error.explanation or error},
                    hint="is the engine on this machine? it must see the mounted folders"
                    if "bind source" in str(error.explanation)
                    else "",
                ) from error
            finally:
                if made:
                    self._remove(made["Id"])
                if lifeline is not None:
                    _hang_up(lifeline)

    def running(self, name: str) -> Container:
        """Return a container that somebody else runs.

        :raises ContainerError: there is none of that name, or it does not run.
        """
        with _answering():
            try:
                found = self._api.inspect_container(name)
            except docker.errors.NotFound as error:
                raise ContainerError(
                    f"there is no container called {name}",
                    {"engine": self.host},
                    hint="docker ps shows those that run",
                ) from error
        if not found["State"]["Running"]:
            raise ContainerError(
                f"container {name} does not run",
                {"state": found["State"]["Status"]},
                hint=f"docker start {name}",
            )
        mounts = {
            mount["Source"]: mount["Destination"]
            for mount in found["Mounts"]
            if mount["Type"] == "bind"
        }
        return Container(self._client, found["Id"], mounts)

    def _remove(self, container: str) -> None:
        """Remove a container with its volumes; that it goes by itself meanwhile is well."""
        with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
            self._api.remove_container(container, force=True, v=True)
        with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
            self._api.wait(container, timeout=TIMEOUT, condition="removed")


class Container:
    """A running container in which programs can be run; any thread may."""

    def __init__(
        self,
        client: docker.DockerClient,
        container: str,
        mounts: Mapping[str, str] | None = None,
    ) -> None:
        self._api: Any = client.api
        self._id = container
        self._open: set[Any] = set()
        self._mounts = mounts or {}

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        feed: bytes,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
    ) -> int:
        """Run a program as root and return its exit code.

        :param feed: what it reads first from its standard input, which then stays open for as long
            as this process lives and wants it to run.
        :param out: receives its output; :param err: its error output.
        :raises ContainerError: container or engine went away.
        """
        with _answering():
            api = self._api
            try:
                made = api.exec_create(
                    self._id, list(argv), environment=dict(env), stdin=True, user="0:0"
                )
                stream = api.exec_start(made["Id"], socket=True)
            except docker.errors.APIError as error:
                raise self._gone(error.explanation or str(error)) from error
            self._open.add(stream)
            try:
                self._talk(stream, feed, out, err)
            finally:
                self._open.discard(stream)
                _hang_up(stream)
            try:
                ended = api.exec_inspect(made["Id"])
            except docker.errors.APIError as error:
                raise self._gone(error.explanation or str(error)) from error
        if ended["Running"] or ended["ExitCode"] is None:
            raise self._gone("its program was cut off")
        code = int(ended["ExitCode"])
        if code == 137:
            raise self._gone("its program was killed")
        return code

    def place(self, path: Path) -> str | None:
        """Return where a path of this machine is in the container, None when it is not."""
        real = os.path.realpath(path)
        for source in sorted(self._mounts, key=len, reverse=True):
            if real == source or real.startswith(source.rstrip("/") + "/"):
                return self._mounts[source].rstrip("/") + real[len(source.rstrip("/")) :]
        return None

    def stop(self) -> None:
        """End what was started here: a program ends when its standard input does."""
        for stream in tuple(self._open):
            _hang_up(stream)

    def _talk(
        self,
        stream: Any,
        feed: bytes,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
    ) -> None:
        """Feed the program while its two outputs are read."""
        raw: socket.socket = getattr(stream, "_sock", stream)

        def send() -> None:
            with contextlib.suppress(OSError):  # who reads no more has ended; its code tells why
                raw.sendall(feed)

        sender = threading.Thread(target=send, name="feed", daemon=True)
        sender.start()
        read: Any = framing.frames_iter
        for kind, data in read(stream, tty=False):
            (err if kind == 2 else out)(data)

    def _gone(self, reason: str) -> ContainerError:
        return ContainerError(
            "the SDK container went away in the middle",
            {"engine says": reason},
            hint="was it stopped, or out of memory? run the build again",
        )


def _places() -> Iterator[tuple[str, Any]]:
    """Yield where an engine may be, with its TLS settings; what is named shuts out the rest."""
    if os.environ.get("DOCKER_HOST"):
        yield os.environ["DOCKER_HOST"], None
        return
    context: Any = docker.ContextAPI.get_current_context()
    if context is not None and context.Name != "default":
        yield context.Host, context.TLSConfig
        return
    yield DEFAULT, None
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    for pattern in PODMAN:
        yield "unix://" + pattern.format(runtime=runtime), None


def _unreachable(host: str) -> OSError | None:
    """Return why the socket of an engine cannot be opened; other kinds of host are not tried."""
    if not host.startswith("unix://"):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(TIMEOUT)
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError as error:
            return error
    return None


def _client(host: str, tls: Any) -> docker.DockerClient:
    try:
        if tls is None and host == os.environ.get("DOCKER_HOST"):
            client = docker.DockerClient.from_env(timeout=TIMEOUT)
        else:
            client = docker.DockerClient(base_url=host, tls=tls, timeout=TIMEOUT)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise ContainerError(
            "the container engine does not answer",
            {"engine": host, "reason": error},
            hint="is it running? `docker info` asks it",
        ) from error
    return client


def _no_image(image: str, host: str, reason: str) -> ContainerError:
    return ContainerError(
        f"SDK image {image} is not here and cannot be pulled",
        {"engine": host, "reason": reason},
        hint="with a network, `docker pull` it; without one, `docker load` it from a file, or build"
        " with --installer=native; ci/make-sdk-image makes the stand-in of the demo board",
    )


def _hang_up(stream: Any) -> None:
    """Close a program's standard input for good, and all that holds the connection."""
    raw = getattr(stream, "_sock", stream)
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)
    for part in (getattr(stream, "_response", None), stream, raw):
        if part is not None:
            with contextlib.suppress(OSError):
                part.close()


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Turn what an engine that went away looks like into an error for people."""
    try:
        yield
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise ContainerError(
            "the container engine stopped answering in the middle",
            {"reason": error},
            hint="start it again (systemctl start docker), then the build",
        ) from error

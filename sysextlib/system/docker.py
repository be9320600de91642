"""The container engine: docker, or podman behind docker's socket. The only door to it.

What a build starts here is removed by whoever is left: the build itself at its end; the engine,
when the build is killed, because the container lives only as long as the build holds its standard
input (``StdinOnce``) and is removed when it ends (``AutoRemove``); and the next build, when the
engine was killed too (``Engine.sweep``).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import docker
import docker.errors
import requests.exceptions
from docker.types import Mount

from sysextlib.errors import ContainerError
from sysextlib.system.container import Container, answering, hang_up
from sysextlib.system.docker_host import TIMEOUT, connect
from sysextlib.system.owner import OWNER_LABEL, is_dead, owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
MEMORY = 7, 8  # the share of the machine's memory, against one that would end others than itself
HERE = "/build_sysext"  # our folder in a container


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
        """Find the engine, as ``docker_host.connect`` does.

        :raises MissingToolError: there is none. :raises ContainerError: it does not let us in,
            or does not answer.
        """
        return cls(*connect())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def label(self, image: str, name: str) -> str:
        """Return a label of an image, "" when image or label is not there."""
        with answering():
            try:
                config = self._api.inspect_image(image)["Config"] or {}
            except docker.errors.ImageNotFound:
                return ""
        return str((config.get("Labels") or {}).get(name, ""))

    def import_image(self, root: Path, image: str, labels: Mapping[str, str]) -> None:
        """Make an image of the tar of a root."""
        changes = [f"LABEL {key}={value}" for key, value in labels.items()]
        with answering():
            told = self._api.import_image_from_file(str(root), repository=image, changes=changes)
        if "error" in told:
            raise ContainerError(f"{image} cannot be imported", {"engine says": told.strip()})

    def require_image(self, image: str, progress: Progress, *, offline: bool = False) -> str:
        """Return the digest of an image, pulled when it is not here.

        :raises ContainerError: it is not here and cannot be had.
        """
        with answering():
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
        with answering():
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
        self,
        image: str,
        *,
        binds: Sequence[Bind],
        kept: str,
        cpus: int,
        memory: int | None = None,
        network: bool,
    ) -> Iterator[Container]:
        """Start a container that does nothing but wait, and remove it at the end of the block.

        It has a volume of its own at HERE/scratch, and the volume ``kept``, which outlives it, at
        HERE/bases.

        :param cpus: how many processors it may use.
        :param memory: how many bytes, all but a little of the machine's when it is not said.
        :param network: whether it can reach one; never the host's.
        :raises ContainerError: it cannot be started.
        """
        with answering():
            api = self._api
            made = ""
            lifeline: Any = None
            try:
                limits = _limits(api.info(), cpus, memory)
                made = self._create(image, _mounts(binds, kept), limits, network=network)
                lifeline = api.attach_socket(made, params={"stdin": 1, "stream": 1})
                api.start(made)
                yield Container(self._client, made)
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
                    self._remove(made)
                if lifeline is not None:
                    hang_up(lifeline)

    def _create(
        self, image: str, mounts: Sequence[Mount], limits: Mapping[str, int], *, network: bool
    ) -> str:
        """Make a container that lives as long as somebody holds its standard input."""
        settings = self._api.create_host_config(
            mounts=mounts,
            cap_drop=["ALL"],
            cap_add=list(CAPABILITIES),
            security_opt=list(SECURITY),
            network_mode="bridge" if network else "none",
            auto_remove=True,
            **limits,
        )
        made = self._api.create_container(
            image,
            entrypoint=["/bin/cat"],
            stdin_open=True,
            user="0:0",
            labels={OWNER_LABEL: owner()},
            host_config=settings,
        )
        return str(made["Id"])

    def running(self, name: str) -> Container:
        """Return a container that somebody else runs.

        :raises ContainerError: there is none of that name, or it does not run.
        """
        with answering():
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


def _mounts(binds: Sequence[Bind], kept: str) -> list[Mount]:
    return [
        Mount(f"{HERE}/scratch", None, type="volume", labels={OWNER_LABEL: owner()}),
        Mount(f"{HERE}/bases", kept, type="volume"),
        *(
            Mount(bind.target, str(bind.source), type="bind", read_only=not bind.writable)
            for bind in binds
        ),
    ]


def _limits(machine: Mapping[str, Any], cpus: int, memory: int | None) -> dict[str, int]:
    """Return the limits of a container, as far as the engine's machine can hold it to them."""
    limits = {}
    if machine.get("PidsLimit"):
        limits["pids_limit"] = PROCESSES
    if machine.get("CpuCfsQuota"):
        limits["nano_cpus"] = min(cpus, machine["NCPU"]) * 1_000_000_000
    if machine.get("MemoryLimit"):
        share, of = MEMORY
        limits["mem_limit"] = memory or machine["MemTotal"] * share // of
        if machine.get("SwapLimit"):
            limits["memswap_limit"] = limits["mem_limit"]  # together with swap: no more of either
    return limits


def _no_image(image: str, host: str, reason: str) -> ContainerError:
    return ContainerError(
        f"SDK image {image} is not here and cannot be pulled",
        {"engine": host, "reason": reason},
        hint="with a network, `docker pull` it; without one, `docker load` it from a file, or build"
        " with --installer=native; ci/make-sdk-image makes the stand-in of the demo board",
    )

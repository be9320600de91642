"""Which container engine is used: DOCKER_HOST, docker's current context, or podman's sockets."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
from docker.context.config import get_current_context_name

from sysextlib.errors import ContainerError, MissingToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 60  # seconds for an answer of the engine; not for the length of a program
DEFAULT = "unix:///var/run/docker.sock"
PODMAN = ("{runtime}/podman/podman.sock", "/run/podman/podman.sock")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine may listen.

    :param name: what named it, for errors.
    """

    host: str
    name: str
    tls: Any = None


def connect() -> tuple[docker.DockerClient, str]:
    """Return a client of the engine, which answers, and the engine's address.

    An address that the environment or docker's own settings name shuts out all others.

    :raises MissingToolError: there is no engine.
    :raises ContainerError: it does not let us in, or does not answer.
    """
    tried: dict[Place, OSError] = {}
    for place in _places():
        reason = _unreachable(place.host)
        if reason is None:
            return _client(place), place.host
        tried[place] = reason
    for place, reason in tried.items():
        if isinstance(reason, PermissionError):
            raise ContainerError(
                "this user may not talk to the container engine",
                {"socket": place.host, "reason": reason.strerror},
                hint="join its group (usermod -aG docker USER, then log in again), or start an"
                " engine of your own (systemctl --user start podman.socket)",
            )
    said = [f"{place.host} ({place.name}): {why.strerror or why}" for place, why in tried.items()]
    raise MissingToolError(
        "no container engine answers",
        {"tried": "\n".join(said)},
        hint="start docker or podman, name one with DOCKER_HOST, or build with --installer=native",
    )


def _places() -> Iterator[Place]:
    """Yield where an engine may be, in docker's own order; podman's sockets are the last.

    :raises ContainerError: docker's context is not there or cannot be read.
    """
    if os.environ.get("DOCKER_HOST"):
        yield Place(os.environ["DOCKER_HOST"], "DOCKER_HOST")
        return
    name, context = _context()
    if name != "default":
        yield Place(context.Host, f"docker's context {name}", context.TLSConfig)
        return
    yield Place(DEFAULT, "docker's default")
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    for pattern in PODMAN:
        yield Place("unix://" + pattern.format(runtime=runtime), "podman's default")


def _context() -> tuple[str, Any]:
    """Return docker's current context by DOCKER_CONTEXT or ~/.docker/config.json.

    :raises ContainerError: there is none of that name, or it cannot be read.
    """
    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if not name or name == "default":
        return "default", None
    try:
        context: Any = docker.ContextAPI.get_context(name)
    except Exception as error:  # docker-py raises a bare Exception for a file that is no JSON
        raise ContainerError(
            f"docker's context {name} cannot be read", {"reason": error}, hint="docker context ls"
        ) from error
    if context is None or not context.Host:
        raise ContainerError(
            f"docker has no context {name}",
            {"named by": "DOCKER_CONTEXT or currentContext in docker's config.json"},
            hint="`docker context ls` shows those that there are",
        )
    return name, context


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


def _client(place: Place) -> docker.DockerClient:
    try:
        if place.host == os.environ.get("DOCKER_HOST"):
            client = docker.DockerClient.from_env(timeout=TIMEOUT)  # with DOCKER_TLS_VERIFY
        else:
            client = docker.DockerClient(base_url=place.host, tls=place.tls, timeout=TIMEOUT)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise ContainerError(
            "the container engine does not answer",
            {"engine": f"{place.host} ({place.name})", "reason": error},
            hint="is it running? `docker info` asks it",
        ) from error
    return client

"""Which places are tried for a container engine, and in which order."""

import errno
import hashlib
import json

import pytest

from sysextlib.errors import ContainerError, MissingToolError
from sysextlib.system import docker_host

CLOSED = PermissionError(errno.EACCES, "Permission denied")
ABSENT = FileNotFoundError(errno.ENOENT, "No such file or directory")


@pytest.fixture(autouse=True)
def settings(monkeypatch, tmp_path):
    """Return the folder of docker's settings: a context "mine", which is not the current one."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    meta = tmp_path / "contexts/meta" / hashlib.sha256(b"mine").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoint = {"docker": {"Host": "unix:///mine.sock"}}
    meta.write_text(json.dumps({"Name": "mine", "Metadata": {}, "Endpoints": endpoint}))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def tried(monkeypatch, answers=None) -> str | list[str]:
    """Return the place that answers, else all that were tried."""
    hosts: list[str] = []

    def unreachable(host: str) -> OSError | None:
        hosts.append(host)
        return (answers or {}).get(host, ABSENT)

    monkeypatch.setattr(docker_host, "_unreachable", unreachable)
    monkeypatch.setattr(docker_host, "_client", lambda place: f"client of {place.host}")
    try:
        return docker_host.connect()[1]
    except MissingToolError:
        return hosts


def test_dockers_own_socket_comes_before_podmans(monkeypatch):
    assert tried(monkeypatch) == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_docker_host_shuts_out_all_others(monkeypatch, settings):
    monkeypatch.setenv("DOCKER_HOST", "unix:///given.sock")
    monkeypatch.setenv("DOCKER_CONTEXT", "mine")
    assert tried(monkeypatch) == ["unix:///given.sock"]


def test_the_current_context_shuts_out_the_default_and_the_environment_names_another(
    monkeypatch, settings
):
    (settings / "config.json").write_text('{"currentContext": "mine"}')
    assert tried(monkeypatch) == ["unix:///mine.sock"]
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert len(tried(monkeypatch)) == 3
    monkeypatch.setenv("DOCKER_CONTEXT", "yours")
    with pytest.raises(ContainerError, match="docker has no context yours"):
        tried(monkeypatch)


def test_a_context_that_is_damaged_is_an_error(monkeypatch, settings):
    monkeypatch.setenv("DOCKER_CONTEXT", "mine")
    for meta in settings.glob("contexts/meta/*/meta.json"):
        meta.write_text("{")
    with pytest.raises(ContainerError, match="docker's context mine cannot be read"):
        tried(monkeypatch)


def test_a_socket_that_may_not_be_opened_does_not_hide_one_that_may(monkeypatch):
    docker, podman = "unix:///var/run/docker.sock", "unix:///run/user/7/podman/podman.sock"
    assert tried(monkeypatch, {docker: CLOSED, podman: None}) == podman
    with pytest.raises(ContainerError, match="may not talk to the container engine") as caught:
        tried(monkeypatch, {docker: CLOSED})
    assert caught.value.facts["socket"] == docker

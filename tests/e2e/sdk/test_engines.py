"""Which container engine is used: podman's as docker's, by DOCKER_HOST and by docker's contexts."""

import hashlib
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.builders.engines import IMAGE, Podman, RootlessPodman, sdk_daemon
from tests.builders.needs import require_tool
from tests.builders.sdk import HELLO, run, started, wait_for_emerge
from tests.builders.world import World

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow, pytest.mark.sdk_more]

REGISTRY = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def podman():
    with sdk_daemon(Podman) as running:
        yield running


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Return the address of a registry of images, empty."""
    require_tool("docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "config.yml"
    settings.write_text(REGISTRY.format(folder=folder, port=port))
    process = subprocess.Popen(["docker-registry", "serve", settings])
    try:
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def context(folder: Path, name: str, host: str) -> str:
    """Write settings of docker whose current context is ``name``; return their folder."""
    meta = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(
        json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints})
    )
    (folder / "config.json").write_text(json.dumps({"currentContext": name}))
    return str(folder)


def test_podmans_compatible_socket_gives_the_same_image(podman, world, tmp_path):
    done = run(world, podman, *HELLO, output=tmp_path / "sdk")
    assert done.returncode == 0, done.stderr
    assert world.run(*HELLO, output=tmp_path / "native").returncode == 0
    images = [(tmp_path / who / "hello.raw").read_bytes() for who in ("sdk", "native")]
    assert images[0] == images[1]
    assert podman.left() == ([], ["build-sysext-bases"], [])


def test_a_killed_build_leaves_nothing_with_podman(podman, world, tmp_path):
    with started(world, podman, "x", "app-misc/sleeps", output=tmp_path) as process:
        wait_for_emerge(podman)
        process.kill()
    end = time.monotonic() + 30
    while podman.containers() and time.monotonic() < end:
        time.sleep(0.2)
    assert podman.left() == ([], ["build-sysext-bases"], [])


def test_a_failing_emerge_says_the_same_with_podman(podman, world, tmp_path):
    done = run(world, podman, "x", "app-misc/dies", output=tmp_path)
    assert done.returncode == 16, done.stderr
    assert "the hook of dies gives up" in done.stderr


def test_podman_without_root_gives_the_same_image(world, tmp_path):
    with sdk_daemon(RootlessPodman) as podman:
        seen = World(podman.folder / "world")
        shutil.copytree(world.folder, seen.folder)
        subprocess.run(["chmod", "-R", "a+rX", seen.folder], check=True)
        done = run(seen, podman, *HELLO, output=tmp_path / "sdk")
        assert done.returncode == 0, done.stderr
        assert podman.containers() == []
    assert world.run(*HELLO, output=tmp_path / "native").returncode == 0
    images = [(tmp_path / who / "hello.raw").read_bytes() for who in ("sdk", "native")]
    assert images[0] == images[1]


@pytest.mark.parametrize("by", ["config.json", "DOCKER_CONTEXT"])
def test_dockers_context_names_the_engine(daemon, world, tmp_path, by):
    env = {"DOCKER_CONFIG": context(tmp_path / "docker", "mine", daemon.host)}
    if by == "DOCKER_CONTEXT":
        (tmp_path / "docker/config.json").write_text("{}")
        env["DOCKER_CONTEXT"] = "mine"
    done = world.run(*HELLO, "--installer=sdk", output=tmp_path / "out", env=env)
    assert done.returncode == 0, done.stderr


def test_a_context_that_is_not_there_is_an_error_and_not_another_engine(world, tmp_path):
    env = {"DOCKER_CONFIG": context(tmp_path, "mine", "unix:///x"), "DOCKER_CONTEXT": "yours"}
    done = world.run(*HELLO, "--installer=sdk", output=tmp_path / "out", env=env)
    assert done.returncode == 25, done.stderr
    assert "docker has no context yours" in done.stderr


def test_a_context_whose_engine_is_not_there_is_named(world, tmp_path):
    env = {"DOCKER_CONFIG": context(tmp_path, "mine", f"unix://{tmp_path}/none.sock")}
    done = world.run(*HELLO, "--installer=sdk", output=tmp_path / "out", env=env)
    assert done.returncode == 17, done.stderr
    assert "docker's context mine" in done.stderr


def test_an_image_that_is_not_here_is_pulled_by_name_or_by_digest(world, registry, tmp_path):
    name = f"{registry}/sdk/stand-in"
    with sdk_daemon() as daemon, daemon.client() as api:
        api.tag(IMAGE, name, "1")
        for event in api.push(name, "1", stream=True, decode=True):
            assert "error" not in event
        digest = api.inspect_image(IMAGE)["RepoDigests"][0].partition("@")[2]
        api.remove_image(f"{name}:1")
        api.remove_image(IMAGE, force=True)
        for number, image in enumerate((f"{name}:1", f"{name}@{digest}")):
            words = (*HELLO, f"--sdk_image={image}")
            done = run(world, daemon, *words, output=tmp_path / f"{number}")
            assert done.returncode == 0, done.stderr
            assert f"Pull {image}" in done.stderr
            again = run(world, daemon, *words, output=tmp_path / f"{number}-again")
            assert again.returncode == 0, again.stderr
            assert "Pull" not in again.stderr
            api.remove_image(image, force=True)

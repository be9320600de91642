"""The same inputs give the same bytes, wherever, whenever and by whomever they are built."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from sysextlib.system.cache import cache_root
from tests.builders.needs import require_root, require_tool
from tests.builders.world import World

KEY = "payload.pem"


@pytest.fixture(scope="module")
def payload_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    path = tmp_path_factory.mktemp("key") / KEY
    path.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def build(world: World, key: Path, output: Path, *words: str, **env: str) -> dict[str, str]:
    flags = (f"--payload_key={key}", "--generate_pkginfo", *words)
    done = world.run("hello", "app-misc/hello", *flags, output=output, env=env)
    assert done.returncode == 0, done.stderr
    return digests(output)


def test_two_folders_and_two_moments_give_the_same_bytes(world, payload_key, tmp_path):
    first = build(world, payload_key, tmp_path / "a")
    second = build(world, payload_key, tmp_path / "b" / "deeper", "--jobs=1", TZ="Asia/Tokyo")
    assert first == second
    assert len(first) == 9


@pytest.mark.parametrize("user", [65534, 1_000_001])
def test_root_and_another_user_give_the_same_bytes(world, payload_key, tmp_path, user):
    require_root()
    require_tool("setpriv")
    mine = build(world, payload_key, tmp_path / "root")
    output = tmp_path / "theirs"
    output.mkdir()
    os.chown(output, user, user)
    # Reading anything is left to the user, for interpreters and folders that only root may open.
    person = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
    flags = [f"--payload_key={payload_key}", "--generate_pkginfo"]
    done = subprocess.run(
        [
            "setpriv",
            *person,
            *reading,
            *world.argv("hello", "app-misc/hello", *flags, output=output),
        ],
        env=world.environment(BUILD_SYSEXT_CACHE=str(cache_root())),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in output.iterdir()} == {user}
    assert digests(output) == mine

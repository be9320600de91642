"""A real systemd-sysext and systemd-confext merge folders in a namespace; we predicted which."""

import random
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sysextlib.explain.host import host_of
from sysextlib.explain.verdict import Effect, explain_image
from sysextlib.image.release import ImageClass
from tests.builders.needs import require_root, unmet
from tests.builders.tools import image_tools

pytestmark = [pytest.mark.oracle, pytest.mark.tool, pytest.mark.root]
PLACES = {ImageClass.SYSEXT: "var/lib/extensions", ImageClass.CONFEXT: "var/lib/confexts"}
FITS = {"ID": "demo", "VERSION_ID": "1"}


def lay_out_host(root: Path, **fields: str) -> None:
    (root / "usr/lib").mkdir(parents=True)
    (root / "etc").mkdir()
    for kind in ImageClass:
        (root / PLACES[kind]).mkdir(parents=True)
    text = "".join(f'{key}="{value}"\n' for key, value in fields.items())
    (root / "usr/lib/os-release").write_text(text)


def add(root: Path, kind: ImageClass, folder: str, name: str, release: Mapping[str, str]) -> Path:
    image = root / PLACES[kind] / folder
    place = image / kind.folder
    place.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{key}={value}\n" for key, value in release.items())
    (place / f"extension-release.{name}").write_text(text)
    return image


def merge(root: Path, kind: ImageClass) -> set[str] | None:
    """Return the folders that systemd merges; None when it gives up."""
    require_root()
    argv = image_tools("systemd-dissect").argv("systemd-dissect")
    program = [word.replace("systemd-dissect", f"systemd-{kind}") for word in argv]
    # systemd wants /run to be a mount of its own, to hide its workspace from others
    script = 'mount -t tmpfs tmpfs /run || exit 99; exec "$@"'
    words = ["unshare", "-m", "sh", "-c", script, "sh", *program, f"--root={root}"]
    done = subprocess.run(
        [*words, "--no-reload", "merge"],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    if done.returncode == 99 or "unshare failed" in done.stderr:
        unmet(f"no mount namespace here: {done.stderr.strip()}")
    if done.returncode != 0:
        assert "Failed to read metadata" in done.stderr, done.stderr
        return None
    used = re.search(r"Using extensions (.*)\.\n", done.stderr)
    return set(re.findall(r"'([^']*)'", used[1])) if used else set()


def predicted(root: Path, kind: ImageClass) -> set[str] | None:
    host = host_of(root)
    verdicts = [explain_image(path, host) for path in sorted((root / PLACES[kind]).iterdir())]
    if any(verdict.effect is Effect.STOPS_ALL for verdict in verdicts):
        return None
    return {verdict.path.name for verdict in verdicts if not verdict.reasons}


@pytest.mark.parametrize("kind", list(ImageClass))
def test_names(tmp_path, kind):
    lay_out_host(tmp_path, **FITS)
    other = ImageClass.CONFEXT if kind is ImageClass.SYSEXT else ImageClass.SYSEXT
    for folder, name in [
        *(("good", "good"), ("mis", "other"), ("ver_1.2", "ver"), ("own_1.2", "own_1.2")),
        *(("dash-1.2", "dash"), ("plus+3", "plus"), ("two_1", "two"), ("two_1", "two_1")),
        *((f"cls{kind.suffix}", "cls"), (f"bad{kind.suffix}", f"bad{kind.suffix}")),
        *(("under_score", "under_score"), (f"both_1{kind.suffix}", "both")),
    ]:
        add(tmp_path, kind, folder, name, FITS)
    add(tmp_path, kind, f"foreign{kind.suffix}", "none", {})
    image = tmp_path / PLACES[kind] / f"wrongkind{kind.suffix}" / other.folder
    image.mkdir(parents=True)
    (image / "extension-release.wrongkind").write_text("ID=_any\n")
    theirs = merge(tmp_path, kind)
    assert theirs is not None
    assert {"good", "ver_1.2"} <= theirs
    assert theirs == predicted(tmp_path, kind)


@pytest.mark.parametrize("kind", list(ImageClass))
def test_an_os_release_inside_stops_every_sysext_and_no_confext(tmp_path, kind):
    lay_out_host(tmp_path, **FITS)
    add(tmp_path, kind, "good", "good", FITS)
    bad = add(tmp_path, kind, f"bad{kind.suffix}", "bad", FITS)
    (bad / "usr/lib").mkdir(parents=True, exist_ok=True)
    (bad / "usr/lib/os-release").write_text("ID=evil\n")
    theirs = merge(tmp_path, kind)
    assert theirs == predicted(tmp_path, kind)
    assert (theirs is None) == (kind is ImageClass.SYSEXT)


HOSTS: list[dict[str, str]] = [
    {"ID": "demo", "VERSION_ID": "1"},
    {"ID": "demo", "VERSION_ID": "1", "ID_LIKE": "other more"},
    {"ID": "demo", "VERSION_ID": "1", "SYSEXT_LEVEL": "2", "CONFEXT_LEVEL": "3"},
    {"ID": "demo", "SYSEXT_LEVEL": "2"},
    {"ID": "demo"},
]
VALUES = {
    "ID": ["demo", "demo", "demo", "other", "_any", ""],
    "VERSION_ID": ["1", "1", "2", "", None],
    "SYSEXT_LEVEL": ["2", "3", "", None, None],
    "CONFEXT_LEVEL": ["2", "3", "", None, None],
    "ARCHITECTURE": ["x86-64", "arm64", "_any", "", None, None],
    "SYSEXT_SCOPE": ["system", "initrd", "portable system", "", None, None, None],
    "CONFEXT_SCOPE": ["system", "initrd", "portable system", "", None, None, None],
}


@pytest.mark.parametrize("fields", HOSTS, ids=lambda fields: ",".join(fields))
@pytest.mark.parametrize("kind", list(ImageClass))
def test_made_up_releases(tmp_path, kind, fields):
    lay_out_host(tmp_path, **fields)
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/sh").write_bytes(Path("/bin/sh").read_bytes()[:4096])  # for its arch
    chance = random.Random(f"{kind}{fields}")
    for number in range(60):
        picked = {key: chance.choice(values) for key, values in VALUES.items()}
        release = {key: value for key, value in picked.items() if value is not None}
        add(tmp_path, kind, f"e{number}", f"e{number}", release)
    theirs = merge(tmp_path, kind)
    assert theirs
    assert theirs == predicted(tmp_path, kind)

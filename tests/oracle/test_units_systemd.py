"""systemd judges the units, the network files and the lines that the definitions bring."""

from pathlib import Path

import pytest

from sysextlib.definition import load_catalogue
from sysextlib.system.run import run
from tests.builders.needs import require_tool

pytestmark = [pytest.mark.oracle, pytest.mark.tool]
SYSEXTS = Path(__file__).parents[2] / "sysexts"
UNITS = "usr/lib/systemd/system"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with all that the definitions bring, and the host's targets."""
    require_tool("systemd-analyze")
    (tmp_path / UNITS).mkdir(parents=True)
    for unit in Path("/", UNITS).glob("*.target"):
        (tmp_path / UNITS / unit.name).write_bytes(unit.read_bytes())
    for name in ("containerd", "dockerd", "mkdir", "ln", "kill"):
        program = tmp_path / "usr/bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for definition in load_catalogue(SYSEXTS.parent).values():
        for entry in definition.files:
            if entry.content is not None:
                path = tmp_path / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(entry.content.read())
    return tmp_path


def units() -> list[str]:
    found = SYSEXTS.glob(f"*/files/{UNITS}/*")
    return sorted(path.name for path in found if path.is_file())


def test_there_are_units_to_judge():
    assert set(units()) >= {"containerd.service", "docker.service", "docker.socket"}


@pytest.mark.parametrize("unit", units())
def test_systemd_finds_no_fault_with_a_unit(root, unit):
    result = run(["systemd-analyze", "verify", f"--root={root}", unit], codes=range(256))
    assert (result.code, result.stderr.decode()) == (0, "")


def test_the_judge_sees_a_fault(root):
    service = root / UNITS / "containerd.service"
    service.write_text(service.read_text().replace("Restart=always", "Restrat=always"))
    result = run(["systemd-analyze", "verify", f"--root={root}", service.name], codes=range(256))
    assert b"Restrat" in result.stderr

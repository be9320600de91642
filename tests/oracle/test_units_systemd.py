"""systemd judges the units, the network files and the lines that the definitions bring."""

from pathlib import Path

import pytest

from sysextlib.check.merged import Merged
from sysextlib.check.users import known_users
from sysextlib.definition import load_catalogue
from sysextlib.system.run import run
from sysextlib.tree import Tree, file_entry
from tests.builders.base import tree_of
from tests.builders.merged import MemoryBase, findings
from tests.builders.needs import require_root, require_tool

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


PROGRAMS = {"usr/bin/there": 0o755, "usr/bin/a b": 0o755, "usr/bin/plain": 0o644}
LINES = [
    "ExecStart=/usr/bin/there",
    "ExecStart=/usr/bin/there -x 'y z'",
    "ExecStart=/usr/bin/nowhere",
    "ExecStart=/usr/bin/plain",
    "ExecStart=/usr/bin",
    "ExecStart=there",
    "ExecStart=nowhere",
    "ExecStart=@/usr/bin/there argv0",
    "ExecStart=@/usr/bin/nowhere argv0",
    "ExecStart=:+/usr/bin/nowhere",
    "ExecStart=!!/usr/bin/nowhere",
    'ExecStart="/usr/bin/a b" c',
    "ExecStart='/usr/bin/a c' c",
    r"ExecStart=/usr/bin/th\x65re",
    r"ExecStart=/usr/bin/a\x20b",
    r"ExecStart=/usr/bin/a\040c",
    "ExecStart=/usr/bin/there \\\n  more",
    "ExecStart=/usr/bin/there \\\n# a comment\n  more",
    "ExecStart= /usr/bin/nowhere",
]
NEEDS = [
    ("Requires=basic.target", True),
    ("Requires=nowhere.service", False),
    ("Requires=basic.target nowhere.service", False),
    ("BindsTo=nowhere.service", False),
    ("Wants=nowhere.service", True),
    ("Requires=here@one.service", True),
    ("Requires=nowhere@one.service", False),
    ("Requires=x.mount -.mount", True),
]  # fmt: skip


def judged(folder: Path, text: str) -> tuple[str, list[str]]:
    """Return what systemd says of a unit, and the codes of our findings."""
    require_tool("systemd-analyze")
    units = folder / UNITS
    units.mkdir(parents=True)
    for target in Path("/", UNITS).glob("*.target"):
        (units / target.name).write_bytes(target.read_bytes())
    entries = []
    for name, mode in PROGRAMS.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
        entries.append(file_entry(name, b"", mode=mode))
    template = "[Service]\nExecStart=/usr/bin/there\n"
    (units / "here@.service").write_text(template)
    (units / "x.service").write_text(text)
    (units / "x.mount").write_text("[Mount]\nWhat=/dev/x\nWhere=/x\n")
    said = run(
        ["systemd-analyze", "verify", f"--root={folder}", "x.service"], codes=range(256)
    ).stderr.decode()
    base = {f"{UNITS}/{path.name}": b"" for path in units.glob("*.target")}
    base[f"{UNITS}/here@.service"] = template.encode()
    unit = file_entry(f"{UNITS}/x.service", text.encode())
    return said, [one.code for one in findings(Tree([*entries, unit]), base)]


@pytest.mark.parametrize("line", LINES)
def test_systemd_finds_the_programs_that_we_find(tmp_path, line):
    said, ours = judged(tmp_path, f"[Service]\n{line}\n")
    theirs = {"No such file": ["missing-program"], "Permission denied": ["program-not-executable"],
              "Is a directory": ["program-not-executable"]}  # fmt: skip
    told = [codes for words, codes in theirs.items() if f"is not executable: {words}" in said]
    assert ours == (told[0] if told else []), said


@pytest.mark.parametrize(("line", "fine"), NEEDS)
def test_systemd_finds_the_units_that_we_find(tmp_path, line, fine):
    text = f"[Unit]\n{line}\n[Service]\nExecStart=/usr/bin/there\n"
    said, ours = judged(tmp_path, text)
    assert ("not found." not in said) == fine, said
    assert ours == ([] if fine else ["missing-unit"])


SYSUSERS = """
# of a test
u alone 901
u! locked 902 "A user" /home /bin/sh
u withgroup 903:904
u byname 905:agroup
u quoted 906 "Some \\"one\\"" -
g agroup 907
g floating -
m member agroup
m member newgroup
r - 500-600
"""


@pytest.mark.root
def test_systemd_sysusers_makes_the_users_that_we_know(tmp_path):
    require_root()
    require_tool("systemd-sysusers")
    conf = tmp_path / "usr/lib/sysusers.d/x.conf"
    conf.parent.mkdir(parents=True)
    text = SYSUSERS.replace("u!", "u")  # which 252 does not have yet
    conf.write_text(f"g fourth 904\n{text}")
    (tmp_path / "etc").mkdir()
    run(["systemd-sysusers", f"--root={tmp_path}"])
    made = {
        name: {line.split(":")[0]: int(line.split(":")[2]) for line in
               (tmp_path / "etc" / name).read_text().splitlines()}
        for name in ("passwd", "group")
    }  # fmt: skip
    for text in (f"g fourth 904\n{SYSUSERS}", SYSUSERS.replace("u!", "u") + "g fourth 904\n"):
        files = {"usr/lib/sysusers.d/x.conf": text.encode()}
        ours = known_users(Merged(tree_of(files), MemoryBase({})))
        assert ours.users - {"root", "nobody"} == set(made["passwd"]) - {"root", "nobody"}
        assert ours.groups - {"root"} == set(made["group"]) - {"root", "nobody"}
        fixed = {uid for uid in made["passwd"].values() if uid in range(900, 910)}
        assert ours.uids >= fixed
        assert ours.gids >= {gid for gid in made["group"].values() if gid in range(900, 910)}

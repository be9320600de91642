"""Bash runs random functions; what it runs is what reading them foretold."""

import random

import pytest

from sysextlib.install.shell import commands, function_body
from sysextlib.system.run import run
from tests.builders.needs import require_tool

pytestmark = [pytest.mark.oracle, pytest.mark.tool]

FUNCTIONS = 200
RUNS = 6
# t succeeds, f fails, u does one or the other; each tells its argument when it is run.
STUBS = """
t() { echo "$1" >&3; }
f() { echo "$1" >&3; return 1; }
u() { echo "$1" >&3; return $((RANDOM % 2)); }
"""


class Writer:
    """Writes random shell text; every simple command bears a number of its own."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.number = 0

    def simple(self, kinds="ttfuu"):
        self.number += 1
        words = [self.rng.choice(kinds), str(self.number)]
        extra = ["'a; b'", '"x $(t {}) y"', "> /dev/null", "2>&1", "$'z'", "<(t {})", "`t {}`"]
        if self.rng.random() < 0.25:
            self.number += 1
            words.append(self.rng.choice(extra).format(self.number))
        return " ".join(words)

    def item(self, depth):
        pick = self.rng.random()
        if depth <= 0 or pick < 0.35:
            return self.simple()
        inner = lambda: self.list(depth - 1)  # noqa: E731
        if pick < 0.5:
            return f"{self.item(depth - 1)} {self.rng.choice(['&&', '||'])} {self.item(depth - 1)}"
        if pick < 0.56:
            return f"! {self.simple()}"
        if pick < 0.7:
            middle = self.rng.choice(["", f"elif {inner()}\nthen\n{inner()}\n"])
            end = self.rng.choice(["", f"else\n{inner()}\n"])
            return f"if {inner()}\nthen\n{inner()}\n{middle}{end}fi"
        if pick < 0.76:
            return f"{{ {inner()}\n}}"
        if pick < 0.82:
            return f"( {inner()}\n)"
        if pick < 0.86:
            return f"for x in 1 2; do\n{inner()}\ndone"
        if pick < 0.9:
            return f"while {self.simple('fu')}; do\n{inner()}\ndone"
        if pick < 0.95:
            return f"case $((RANDOM % 2)) in\n0|5) {inner()}\n;;\n*) {inner()}\n;;\nesac"
        return self.rng.choice([f"{self.simple()} | {self.simple()}", "return", "x=(1 ')' 2)"])

    def list(self, depth):
        return "\n".join(self.item(depth) for _ in range(self.rng.randint(1, 3)))


def decide(words):
    return {"t": True, "f": False, "return": None}.get(words[0])


def test_what_bash_runs_was_foretold(tmp_path):
    require_tool("bash")
    bodies = [Writer(seed).list(4) for seed in range(FUNCTIONS)]
    script = STUBS
    for number, body in enumerate(bodies):
        script += f"fn{number}() {{\n{body}\n}}\ndeclare -f fn{number} > {tmp_path}/{number}.txt\n"
        for turn in range(RUNS):
            log = tmp_path / f"{number}.{turn}"
            script += f"RANDOM={turn * 1000 + number}; fn{number} 3> {log} > /dev/null\n"
    run(["bash", "-c", "source /dev/stdin; exit 0"], feed=script.encode(), timeout=120)
    certain = possible = ran = 0
    for number in range(FUNCTIONS):
        text = (tmp_path / f"{number}.txt").read_text()
        body = function_body(text, text.index("{ \n") + 3)
        found = [c for c in commands(body, decide) if c.words[0] in {"t", "f", "u"}]
        may = {c.words[1] for c in found}
        must = {c.words[1] for c in found if c.certain}
        for turn in range(RUNS):
            done = set((tmp_path / f"{number}.{turn}").read_text().split())
            assert done <= may, (text, done - may)
            assert must <= done, (text, must - done)
            ran += len(done)
        certain, possible = certain + len(must), possible + len(may)
    assert ran > 1000
    assert 0 < certain < possible

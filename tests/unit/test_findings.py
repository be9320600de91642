"""The findings that README of the catalogue lists are those of the program."""

import ast
import re
from functools import cache
from pathlib import Path

from sysextlib.findings import Severity

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"<!-- findings:.*?-->\n.*?\n.*?\n(.*?)<!-- end of findings -->", re.DOTALL)
ROW = re.compile(r"\| `([a-z-]+)` \| ([a-z]+) \| \S.* \|")
MAKERS = {"Finding", "lacking"}


@cache
def codes() -> frozenset[str]:
    """Return the first argument of every call that makes a finding."""
    found = set()
    texts = [source.read_text() for source in (ROOT / "sysextlib").rglob("*.py")]
    for text in texts:
        if not any(f"{maker}(" in text for maker in MAKERS):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in MAKERS and isinstance(node.args[0], ast.Constant):
                    found.add(node.args[0].value)
    return frozenset(found)


def test_every_finding_is_documented_and_every_documented_one_exists():
    table = TABLE.search((ROOT / "sysexts/README.md").read_text())
    assert table is not None
    rows = [ROW.fullmatch(line) for line in table[1].splitlines()]
    assert all(rows)
    listed = [row[1] for row in rows if row]
    assert len(listed) == len(set(listed)) > 30
    assert set(listed) == codes()
    assert {row[2] for row in rows if row} <= set(Severity)


def test_the_acknowledgements_of_the_catalogue_name_known_findings():
    for source in (ROOT / "sysexts").glob("*/sysext.toml"):
        for code in re.findall(r'^"([a-z-]+):.*" = ', source.read_text(), re.MULTILINE):
            assert code in codes(), source

"""What README and pyproject.toml say is what the program does."""

import re
import tomllib
from pathlib import Path

from sysextlib.cli.flags import FLAGS
from sysextlib.version import VERSION

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TABLE = re.compile(r"<!-- flags:.*?-->\n.*?\n.*?\n(.*?)<!-- end of flags -->", re.DOTALL)


def test_the_table_of_flags_is_that_of_the_program():
    rows = [
        f"| `--{flag.name}{'=' + flag.value if flag.value else ''}` | "
        f"{', '.join(sorted(flag.commands))} | {flag.help} |\n"
        for flag in FLAGS
    ]
    found = TABLE.search(README)
    assert found is not None
    assert found[1] == "".join(rows)


def test_the_version_is_that_of_pyproject():
    values = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert values["project"]["version"] == VERSION


def test_every_path_that_the_documents_link_to_exists():
    for document in (ROOT / "README.md", ROOT / "sysextlib" / "ARCHITECTURE.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"

"""Who may import whom: each line of LAYERS only from the lines above it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2] / "sysextlib"
LAYERS = [
    ["errors", "progress", "version"],
    ["gentoo", "system", "tree", "workspace"],
    ["os_release", "toml_reader", "real_paths", "kernel_module", "findings"],
    ["verbs", "squashfs"],
    ["definition", "board", "selinux", "ebuild", "binpkg", "version_file"],
    ["base", "changes", "made_from", "releases", "keywords"],
    ["chains"],
    ["affected"],
    ["resolve", "install", "edit", "check", "image", "payload", "versions"],
    ["order", "explain", "image_root", "oem"],
    ["stamp", "merge", "ingredients"],
    ["split"],
    ["report"],
    ["pipeline"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
ONLY_IN = {
    "subprocess": {"system"},
    "docker": {"system"},
    "lark": {"gentoo", "ebuild"},
    "rich": {"cli"},
    "argparse": {"cli"},
}


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[tuple[str, Path]]:
    files = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    return [(path.relative_to(ROOT).parts[0].removesuffix(".py"), path) for path in files]


def test_every_part_has_its_place_in_the_layers():
    assert {part for part, _ in modules()} - set(LEVEL) == set()


def test_a_part_imports_only_from_the_layers_above_it():
    wrong = []
    for part, path in modules():
        for name in imports(path):
            if not name.startswith("sysextlib."):
                continue
            other = name.split(".")[1]
            if other != part and LEVEL[other] >= LEVEL[part]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_each_foreign_package_is_imported_only_where_it_belongs():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for part, path in modules()
        for name in imports(path)
        if name.split(".")[0] in ONLY_IN and part not in ONLY_IN[name.split(".")[0]]
    ]
    assert wrong == []


def test_the_architecture_document_shows_these_layers():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    shown = text.partition("may be\nimported.\n")[2].partition("## One build")[0]
    rows = [line.partition("<-")[0].split() for line in shown.splitlines() if line.strip()]
    assert rows == LAYERS

import json
import platform

import pytest

from sysextlib.errors import MissingToolError
from sysextlib.system import tools as module
from sysextlib.system.tools import (
    LOADERS,
    MULTIARCH,
    PROGRAMS,
    STAMP,
    Recipe,
    Tools,
    upstream_version,
)


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [
        ("1.8.6-1", "1.8.6"),
        ("2:2.7.5-2", "2.7.5"),
        ("257.13-1~deb13u1", "257.13"),
        ("1:1.3.dfsg+really1.3.1-1+b1", "1.3.dfsg"),
        ("2.41.5-0+deb13u1", "2.41.5"),
        ("34.2", "34.2"),
    ],
)
def test_a_debian_version_names_the_upstream_one(debian, upstream):
    assert upstream_version(debian) == upstream


def make_tree(folder, packages=None):
    machine = platform.machine()
    libraries = folder / "usr/lib" / MULTIARCH[machine]
    libraries.mkdir(parents=True)
    (libraries / LOADERS[machine]).write_text("")
    for program in PROGRAMS.values():
        path = folder / program.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    packages = packages or {"erofs-utils": "1.8.6-1"}
    (folder / STAMP).write_text(json.dumps({"packages": packages}))
    return folder


def test_a_program_of_the_tree_is_started_by_the_trees_loader(tmp_path):
    tools = Tools.locate(tree=make_tree(tmp_path))
    loader, option, libraries, program = tools.argv("mkfs.erofs")
    assert loader.startswith(f"{tmp_path}/usr/lib/")
    assert option == "--library-path"
    assert libraries.startswith(f"{tmp_path}/usr/lib/")
    assert program == f"{tmp_path}/usr/bin/mkfs.erofs"
    assert tools.version("mkfs.erofs") == "1.8.6"


def test_the_tree_of_the_cache_is_found_by_the_recipes_digest(tmp_path):
    make_tree(Recipe.here().folder(tmp_path))
    assert Tools.locate(cache=tmp_path).tree == Recipe.here().folder(tmp_path)


def test_another_recipe_makes_another_tree(tmp_path):
    one = Recipe("trixie", "amd64", ("a", "b"))
    assert len({one.digest, Recipe("trixie", "arm64", ("a", "b")).digest}) == 2
    assert len({one.digest, Recipe("trixie", "amd64", ("a",)).digest}) == 2


def test_half_a_tree_is_none(tmp_path):
    tree = make_tree(tmp_path)
    (tree / STAMP).write_text("{")
    assert Tools.locate(tree=tree).tree is None


def test_a_damaged_tree_says_how_to_make_it_again(tmp_path):
    tree = make_tree(tmp_path)
    (tree / "usr/bin/mkfs.erofs").unlink()
    with pytest.raises(MissingToolError, match=r"lacks mkfs\.erofs") as caught:
        Tools.locate(tree=tree).require("mkfs.erofs")
    assert "ci/make-tools-tree" in caught.value.hint


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Only the programs of this folder are on the host."""
    monkeypatch.setitem(module.ENVIRONMENT, "PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def put(host, name, version):
    path = host / name
    path.write_text(f"#!/bin/sh\necho '{name} (tools) {version}'\n")
    path.chmod(0o755)
    return path


def test_without_a_tree_the_hosts_program_is_used_when_new_enough(tmp_path, host):
    path = put(host, "mkfs.erofs", "1.9.1")
    tools = Tools.locate(cache=tmp_path)
    assert tools.argv("mkfs.erofs") == (str(path),)
    assert tools.version("mkfs.erofs") == "1.9.1"


def test_an_old_program_of_the_host_is_refused_with_both_versions(tmp_path, host):
    put(host, "mkfs.erofs", "1.5")
    with pytest.raises(MissingToolError, match="too old") as caught:
        Tools.locate(cache=tmp_path).require("mkfs.erofs")
    assert "1.5" in caught.value.facts["found"]
    assert caught.value.facts["needed"] == "1.8.6 or newer"
    assert "ci/make-tools-tree" in caught.value.hint


def test_an_absent_program_is_named_with_where_it_was_looked_for(tmp_path, host):
    with pytest.raises(MissingToolError, match="unsquashfs is not installed") as caught:
        Tools.locate(cache=tmp_path).require("unsquashfs")
    assert caught.value.facts["looked in"] == str(host)


def test_a_program_that_we_do_not_know_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(MissingToolError) as caught:
        Tools.locate(cache=tmp_path).argv("mkfs.erof")
    assert "mkfs.erofs" in caught.value.hint

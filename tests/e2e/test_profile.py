"""What Portage's files say of packages: a profile that a call names, and those beside a board."""

import json
import sys
from dataclasses import replace

import pytest

from sysextlib.system.run import run
from tests.builders.checkout import copy_checkout
from tests.builders.demo import demo_board
from tests.builders.ebuild_repo import write_repository
from tests.builders.world import ROOT, greet, hello, make_world

MAKE_DEFAULTS = 'ARCH="amd64"\nACCEPT_KEYWORDS="amd64"\n'
PROVIDED = "virtual/mta-1\n"


@pytest.fixture
def world(tmp_path):
    """Return a world whose hello-2.0 was built thrice, and hello-1.0 once."""
    hellos = [
        hello(1, IUSE="+nls X", USE="nls", KEYWORDS="amd64", RDEPEND="virtual/mta"),
        hello(2, IUSE="+nls X", USE="", KEYWORDS="amd64"),
        hello(3, IUSE="+nls X", USE="nls", KEYWORDS="~amd64"),
    ]
    old = replace(hello(1, KEYWORDS="amd64"), cpv="app-misc/hello-1.0")
    library = replace(greet(), metadata={"KEYWORDS": "amd64"})
    return make_world(tmp_path / "world", [*hellos, old, library])


def profile(tmp_path, **files):
    """Write a repository with one profile; return the flag that names it."""
    texts = {"make.defaults": MAKE_DEFAULTS, "eapi": "6\n", **files}
    repo = write_repository(
        tmp_path / "repo", {f"profiles/p/{name}": text for name, text in texts.items()}
    )
    return f"--profile={repo / 'profiles/p'}"


def planned(world, *flags):
    done = world.run("plan", "--json", *flags, "hello", "app-misc/hello")
    assert done.returncode == 0, done.stderr
    return [f"{one['cpv']}-{one['build_id']}" for one in json.loads(done.stdout)["hello"]]


def test_without_a_profile_the_newest_build_is_taken(world):
    assert planned(world)[-1] == "app-misc/hello-2.0-r1-3"


def test_a_profile_decides_flags_and_keywords_and_what_is_provided(world, tmp_path):
    given = profile(tmp_path, **{"package.provided": PROVIDED})
    assert planned(world, given) == ["app-misc/hello-2.0-r1-1"]


def test_what_the_profile_masks_gives_way_to_another_version(world, tmp_path):
    given = profile(tmp_path, **{"package.mask": ">=app-misc/hello-2\n"})
    assert planned(world, given)[-1] == "app-misc/hello-1.0-1"


def test_the_error_says_what_the_profile_wants(world, tmp_path):
    files = {"package.use": "app-misc/hello X\n", "package.mask": "<app-misc/hello-2\n"}
    done = world.run("plan", profile(tmp_path, **files), "hello", "app-misc/hello")
    assert done.returncode == 11
    assert 'app-misc/hello-2.0-r1-1: not built with USE="X"' in done.stderr
    assert "app-misc/hello-2.0-r1-3: the profile accepts none of KEYWORDS='~amd64'" in done.stderr
    assert "app-misc/hello-1.0-1: the profile masks <app-misc/hello-2" in done.stderr


def test_package_provided_beside_a_board_meets_dependencies(world, tmp_path):
    program = copy_checkout(tmp_path / "checkout")
    argv = [word.replace(str(ROOT), str(program.parent)) for word in world.argv("plan")]
    flag = profile(tmp_path)
    words = [sys.executable, *argv[1:], flag, "hello", ">=app-misc/hello-2"]
    run(words, env=world.environment(), codes=(11,))
    (program.parent / "board_overlays/demo-amd64/package.provided").write_text(PROVIDED)
    assert b"app-misc/hello-2.0-r1-1" in run(words, env=world.environment()).stdout


@pytest.mark.parametrize("key", ["docker", "oem-azure", "podman", "python"])
def test_the_demo_board_s_own_profile_wants_what_was_built_by_it(key):
    demo_board()
    flag = f"--profile={ROOT / 'board_overlays/demo-amd64/profile'}"
    argv = [sys.executable, ROOT / "build_sysext.py", "plan", "--board=demo-amd64", key]
    assert run([*argv, flag]).stdout == run(argv).stdout

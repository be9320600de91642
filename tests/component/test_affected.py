"""Changes in a git checkout, and the extensions that they affect."""

import pytest

from sysextlib.affected import find_affected
from sysextlib.errors import UsageError
from sysextlib.progress import Silent
from tests.builders.ebuild_repo import ebuild, write_repository
from tests.builders.needs import require_tool
from tests.builders.overlay_history import git

pytestmark = pytest.mark.tool

FILES = {
    "a/app/app-1.ebuild": ebuild(RDEPEND="b/agent", IUSE="x"),
    "b/agent/agent-1.ebuild": ebuild(RDEPEND=">=c/python-3:= !c/blocked"),
    "b/agent/files/a.patch": "1\n",
    "c/python/python-2.ebuild": ebuild(),
    "c/python/python-3.ebuild": ebuild(inherit="build", IUSE="ssl PY_p1"),
    "c/python/python-4.ebuild": ebuild(KEYWORDS="~amd64"),
    "c/python/metadata.xml": "<a/>\n",
    "c/blocked/blocked-1.ebuild": ebuild(),
    "c/tool/tool-1.ebuild": ebuild(),
    "d/other/other-1.ebuild": ebuild(BDEPEND="c/tool", inherit="unused"),
    "eclass/build.eclass": "inherit deep\n",
    "eclass/deep.eclass": ":\n",
    "eclass/unused.eclass": ":\n",
    "profiles/p/make.defaults": 'USE="a"\nUSE_EXPAND="PY"\nCFLAGS="-O2"\n',
    "profiles/p/use.mask": "q\n",
    "profiles/p/package.use": "d/other z\n",
    "profiles/use.desc": "a - b\n",
}
SYSEXT = """\
name = "flatcar-{0}"
kind = "extra"
summary = "s"
packages = ["{1}"]
"""
CHAIN = ("a/app", "b/agent", "c/python")


@pytest.fixture
def checkout(tmp_path):
    require_tool("git")
    root = tmp_path / "checkout"
    write_repository(root / "overlay", FILES)
    for name, package in (("app", "a/app"), ("other", "d/other")):
        folder = root / "sysexts" / name
        folder.mkdir(parents=True)
        (folder / "sysext.toml").write_text(SYSEXT.format(name, package))
    (root / "board_overlays").mkdir()
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "one")
    return root


def find(root, since="HEAD", **options):
    repos, cache = [root / "overlay"], root.parent / "cache"
    report = find_affected(root, repos, since, cache=cache, progress=Silent(), **options)
    return {item.extension: item.chain for item in report.affected}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("overlay/a/app/app-1.ebuild", ebuild(RDEPEND="b/agent", IUSE="n"), {"app": ("a/app",)}),
        ("overlay/c/python/python-3.ebuild", ebuild(IUSE="n"), {"app": CHAIN}),
        ("overlay/b/agent/files/a.patch", "2\n", {"app": ("a/app", "b/agent")}),
        ("overlay/c/python/Manifest", "DIST\n", {"app": CHAIN}),
        ("overlay/eclass/build.eclass", "inherit deep\n:\n", {"app": CHAIN}),
        ("overlay/eclass/deep.eclass", "# new\n:\n", {"app": CHAIN}),
        ("overlay/eclass/unused.eclass", "# new\n:\n", {"other": ("d/other",)}),
        ("overlay/c/tool/tool-1.ebuild", ebuild(IUSE="n"), {"other": ("d/other", "c/tool")}),
        ("overlay/c/python/python-3-r1.ebuild", ebuild(), {"app": CHAIN}),
        ("overlay/c/python/python-2.ebuild", ebuild(IUSE="n"), {}),
        ("overlay/c/python/python-4.ebuild", ebuild(KEYWORDS="~amd64", IUSE="n"), {}),
        ("overlay/c/python/metadata.xml", "<b/>\n", {}),
        ("overlay/c/blocked/blocked-1.ebuild", ebuild(IUSE="n"), {}),
        ("overlay/profiles/use.desc", "c - d\n", {}),
        ("overlay/profiles/p/use.mask", "q\nssl\n", {"app": CHAIN}),
        ("overlay/profiles/p/package.use", "d/other z y\n", {"other": ("d/other",)}),
        ("overlay/profiles/p/package.mask", "=c/python-3\n", {"app": CHAIN}),
        (
            "overlay/profiles/p/make.defaults",
            'USE="a x"\nUSE_EXPAND="PY"\nCFLAGS="-O2"\n',
            {"app": ("a/app",)},
        ),
        (
            "overlay/profiles/p/make.defaults",
            'USE="a"\nUSE_EXPAND="PY"\nCFLAGS="-O3"\n',
            {"app": (), "other": ()},
        ),
        ("overlay/profiles/p/parent", "../q\n", {"app": (), "other": ()}),
        ("overlay/metadata/layout.conf", "masters =\n# new\n", {"app": (), "other": ()}),
        ("overlay/metadata/md5-cache/a/app-1", "x\n", {}),
        ("sysexts/other/sysext.toml", SYSEXT.format("new", "d/other"), {"other": ()}),
        ("sysexts/other/files/usr/x", "x\n", {"other": ()}),
        ("selinux/other.fc", "/usr/x u:r:t\n", {"other": ()}),
        ("selinux/mcs/other.fc", "/usr/x u:r:t\n", {"other": ()}),
        ("selinux/README.md", "x\n", {}),
        ("README.md", "x\n", {}),
    ],
)
def test_a_change_affects_the_extensions_that_hold_it(checkout, path, text, expected):
    place = checkout / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    assert find(checkout) == expected


def test_an_ebuild_that_is_gone_affects_what_could_take_it(checkout):
    (checkout / "overlay/c/python/python-3.ebuild").unlink()
    assert find(checkout) == {"app": CHAIN}


def test_changes_in_commits_count_as_well(checkout):
    (checkout / "overlay/c/tool/tool-1.ebuild").write_text(ebuild(IUSE="n"))
    git(checkout, "commit", "-q", "-a", "-m", "two")
    assert find(checkout) == {}
    assert find(checkout, "HEAD~1") == {"other": ("d/other", "c/tool")}
    assert find(checkout, "HEAD~1", runtime=True) == {}


def test_an_unknown_revision_is_refused(checkout):
    with pytest.raises(UsageError, match="no revision"):
        find(checkout, "--output=/tmp/x")


def test_a_clone_that_lacks_the_old_files_is_refused(checkout):
    (checkout / "overlay/c/tool/tool-1.ebuild").write_text(ebuild(IUSE="n"))
    git(checkout, "commit", "-q", "-a", "-m", "two")
    oid = git(checkout, "rev-parse", "HEAD~1:overlay/c/tool/tool-1.ebuild").strip()
    (checkout / ".git/objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(UsageError, match="lacks files"):
        find(checkout, "HEAD~1")


def test_a_folder_without_git_is_refused(tmp_path):
    require_tool("git")
    with pytest.raises(UsageError, match="no git checkout"):
        find_affected(tmp_path, [tmp_path], "HEAD", cache=tmp_path, progress=Silent())

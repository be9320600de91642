"""What real Portage would merge for each extension before and after a commit on the demo overlay.

Portage's own visibility and USE decide what an extension's closure is; when it, or a file that it
is built from, differs between two commits, the extension must be among those affected. Portage
reads the metadata from md5-cache as we write it, which another test compares with its own.
"""

import itertools
import json
import os
import random
import shutil
import sys

import pytest

from sysextlib.affected import find_affected
from sysextlib.definition import below, load_catalogue
from sysextlib.ebuild.generate import write_metadata
from sysextlib.gentoo.arch import Arch
from sysextlib.progress import Silent
from sysextlib.system.run import run
from tests.builders.needs import require_tool
from tests.builders.overlay_changes import write_random_history
from tests.builders.overlay_history import BOARD, HISTORY, OVERLAY, git, write_history

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

ASK = """
import hashlib, json, os, sys
import portage
from portage.dep import Atom, use_reduce
configs, wanted = json.load(sys.stdin)
KEYS = ("RDEPEND", "PDEPEND", "IDEPEND", "DEPEND", "BDEPEND")

def md5(path):
    with open(path, "rb") as stream:
        return hashlib.md5(stream.read()).hexdigest()

def atoms(words):
    for word in words:
        if isinstance(word, list):
            yield from atoms(word)
        elif word != "||" and not word.startswith("!"):
            yield Atom(word).without_use

def made_of(overlay, ebuild, inherited):
    yield md5(ebuild)
    for name in inherited:
        yield md5(f"{overlay}/eclass/{name}.eclass")
    for here, _, names in sorted(os.walk(os.path.dirname(ebuild) + "/files")):
        for name in sorted(names):
            yield md5(os.path.join(here, name))

def closure(db, settings, packages):
    todo, found = list(packages), {}
    while todo:
        best = db.xmatch("bestmatch-visible", todo.pop())
        if not best or best in found:
            continue
        inherited, eapi, *texts = db.aux_get(best, ["INHERITED", "EAPI", *KEYS])
        settings.setcpv(best, mydb=db)
        use = settings["PORTAGE_USE"].split()
        parts = made_of(db.porttrees[0], db.findname(best), inherited.split())
        found[best] = [sorted(use), *parts]
        for text in texts:
            todo += atoms(use_reduce(text, uselist=use, eapi=eapi))
    return found

answers = []
for config in configs:
    settings = portage.config(config_root=config, target_root=config, env={})
    db = portage.portdbapi(mysettings=settings)
    spare = portage.config(clone=settings)
    answers.append({key: closure(db, spare, map(Atom, wanted[key])) for key in wanted})
print(json.dumps(answers))
"""


def portage_closures(checkout, tags, places):
    """Return what Portage would merge for each extension, by tag, with what it is made of."""
    catalogue = load_catalogue(checkout)
    wanted = {
        key: [str(atom) for part in (one, *below(one, catalogue)) for atom in part.packages]
        for key, one in catalogue.items()
        if one.fits("demo-amd64", Arch.AMD64)
    }
    trees = {tag: git(checkout, "rev-parse", f"{tag}:{BOARD}").strip() for tag in tags}
    for tag, tree in trees.items():
        if not (places / tree).exists():
            git(checkout, "checkout", "-q", tag)
            write_metadata([checkout / OVERLAY], progress=Silent(), jobs=1)
            # Neither git nor we write into a file that is there: links stay as they are.
            shutil.copytree(checkout / BOARD, places / tree, symlinks=True, copy_function=os.link)
            _write_config(places / tree)
    found = sorted(set(trees.values()))
    asked = [[str(places / tree) for tree in found], wanted]
    argv = [sys.executable, "-c", ASK]
    told = json.loads(run(argv, feed=json.dumps(asked).encode(), timeout=900).stdout)
    answers = dict(zip(found, told, strict=True))
    return {tag: answers[tree] for tag, tree in trees.items()}


def _write_config(board):
    """Make a copy of the board's folder a PORTAGE_CONFIGROOT for its overlay."""
    config = board / "etc/portage"
    config.mkdir(parents=True)
    (config / "make.profile").symlink_to(board / "profile")
    (config / "package.use").symlink_to(board / "package.use")
    (config / "make.conf").write_text('ACCEPT_LICENSE="*"\n')
    repos = f"[DEFAULT]\nmain-repo = demo\n[demo]\nlocation = {board / 'overlay'}\n"
    (config / "repos.conf").write_text(repos)


def compare(checkout, tags, closures, cache):
    """Return for each commit what is missed and what is named beyond what differs for Portage."""
    missed, beyond = {}, {}
    for before, tag in itertools.pairwise(tags):
        git(checkout, "checkout", "-q", tag)
        repos = [checkout / OVERLAY]
        report = find_affected(checkout, repos, before, cache=cache, progress=Silent())
        old, new = closures[before], closures[tag]
        differ = {key for key in new if old[key] != new[key]}
        missed[tag] = differ - {item.extension for item in report.affected}
        beyond[tag] = {item.extension for item in report.affected if item.chain} - differ
    return missed, beyond


def test_what_differs_for_portage_is_affected_and_nearly_nothing_else(tmp_path):
    require_tool("git")
    history = write_history(tmp_path / "history")
    tags = ["start", *(commit.name for commit in HISTORY)]
    closures = portage_closures(history, tags, tmp_path)
    assert len(closures["start"]["docker"]) > 20
    assert len(closures["start"]["podman"]) > len(closures["start"]["chrony"]) > 10
    missed, beyond = compare(history, tags, closures, tmp_path / "cache")
    assert missed == {commit.name: set() for commit in HISTORY}
    assert beyond == {commit.name: commit.beyond_portage for commit in HISTORY}


@pytest.mark.parametrize("seed", [1, 2])
def test_no_random_change_is_missed(tmp_path, seed):
    require_tool("git")
    tags = write_random_history(tmp_path / "history", random.Random(seed), 20)
    closures = portage_closures(tmp_path / "history", tags, tmp_path)
    missed, _ = compare(tmp_path / "history", tags, closures, tmp_path / "cache")
    assert missed == {key: set() for key in tags[1:]}
    assert sum(closures[a] != closures[b] for a, b in itertools.pairwise(tags)) > 5

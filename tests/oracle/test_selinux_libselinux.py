"""Labels and type lists, as libselinux and libsepol themselves have them."""

import os
import random
import re
from collections import defaultdict
from dataclasses import replace

import pytest

from sysextlib.base import open_base
from sysextlib.selinux.contexts import FileContexts
from sysextlib.selinux.label import XATTR, label
from sysextlib.selinux.policy import CONTEXTS, find_policy, load_policy
from sysextlib.selinux.rules import read_rules, read_substitutions
from sysextlib.system.run import run
from sysextlib.tree import Entry, Kind, Tree
from tests.builders.base import lay_out
from tests.builders.contexts import made_up_contexts, made_up_paths, made_up_substitutions
from tests.builders.demo import demo_board
from tests.builders.matchpathcon import lay_out_policy, matchpathcon
from tests.builders.needs import require_root
from tests.builders.tools import image_tools
from tests.builders.tree import every_kind

pytestmark = [pytest.mark.oracle, pytest.mark.tool]


def ours(contexts, path, kind):
    rule = contexts.lookup(path, kind)
    return rule.context if rule else "<<none>>"


def assert_equal(file, contexts, paths, kind):
    said = matchpathcon(file, paths, kind)
    assert len(said) == len(set(paths))
    differing = {
        path: (ours(contexts, path, kind), their)
        for path, their in said.items()
        if ours(contexts, path, kind) != their
    }
    assert dict(list(differing.items())[:5]) == {}


@pytest.fixture(scope="module")
def base():
    with open_base(demo_board().image) as opened:
        yield opened


@pytest.fixture(scope="module")
def store(base, tmp_path_factory):
    return lay_out_policy(base, tmp_path_factory.mktemp("selinux"))


@pytest.mark.demo
def test_every_path_of_a_real_system_is_labelled_alike(base, store):
    policy = find_policy(base)
    by_kind = defaultdict(list)
    for entry in base.tree:
        by_kind[entry.kind].append(f"/{entry.path}")
    assert len(by_kind[Kind.FILE]) > 2000
    for kind, paths in by_kind.items():
        assert_equal(store / policy.type / CONTEXTS, policy.contexts, paths, kind)


@pytest.mark.demo
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.FIFO])
def test_made_up_paths_are_labelled_alike_by_a_real_policy(base, store, kind):
    policy = find_policy(base)
    near = []
    for rule in policy.rules:  # a path that the rule may be about
        text = re.sub(r"\\(.)", r"\1", rule.regex)
        near.append(re.sub(r"\(/\.\*\)\?|\(\.\*/\)\?|[()?*+^$]|\[.*?\]|\|.*", "", text).rstrip("/"))
    paths = made_up_paths(random.Random(str(kind)), 32_000, [path for path in near if path])
    paths = [path for path in paths if re.fullmatch("(/[^/]+)+", path)]
    assert len(paths) > 25_000
    assert_equal(store / policy.type / CONTEXTS, policy.contexts, paths, kind)


@pytest.mark.parametrize("seed", range(10))
def test_made_up_rules_label_made_up_paths_alike(tmp_path, seed):
    rng = random.Random(seed)
    file = tmp_path / "file_contexts"
    file.write_text(made_up_contexts(rng, 500))
    rules = list(read_rules(file.read_bytes(), "main", 0))
    for number, name in enumerate(("homedirs", "local"), 1):
        text = "".join(
            line
            for line in made_up_contexts(rng, 60).splitlines(keepends=True)
            if set(line) & set("*?[|")  # of literal ones in two files, 3.8 takes any
        )
        file.with_name(f"file_contexts.{name}").write_text(text)
        rules += read_rules(text.encode(), name, number)
    substitutions = []
    for name in ("subs", "subs_dist"):
        text = made_up_substitutions(rng)
        file.with_name(f"file_contexts.{name}").write_text(text)
        substitutions.append(read_substitutions(text.encode(), name))
    contexts = FileContexts(rules, substitutions)
    kind = list(Kind)[seed % len(Kind)]
    assert_equal(file, contexts, made_up_paths(rng, 10_000), kind)


@pytest.mark.root
def test_setfiles_writes_the_same_labels_to_a_folder(tmp_path):
    require_root()
    rng = random.Random("setfiles")
    store = tmp_path / "policy" / CONTEXTS
    store.parent.mkdir(parents=True)
    lines = ["/.*\tu:object_r:any_t:s0\n", "/usr/lib(/.*)?\tu:object_r:lib_t:s0\n"]
    store.write_text("".join(lines) + made_up_contexts(rng, 300))
    paths = sorted({path[1:] for path in made_up_paths(rng, 400, ["/usr/lib", "/usr/bin"])})
    files = [Entry(path=f"{path}/file", kind=Kind.FILE, mode=0o644) for path in paths]
    plain = Tree(replace(e, xattrs=(), uid=0, gid=0) for e in every_kind() if not e.hardlink)
    tree = plain.updated(files)
    root = tmp_path / "root"
    lay_out(tree, root)
    setfiles = image_tools("setfiles").argv("setfiles")
    run([*setfiles, "-F", "-r", root, store, root], name="setfiles")
    labelled = label(tree, load_policy(tmp_path / "policy")).tree
    for entry in labelled:
        path = root / entry.path
        found = {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
            if name == XATTR
        }
        assert found == dict(entry.xattrs), entry.path
    assert len({dict(entry.xattrs).get(XATTR) for entry in labelled}) > 30


@pytest.mark.demo
def test_the_types_of_a_policy_are_those_that_libsepol_accepts(base, store, tmp_path):
    policy = find_policy(base)
    (binary,) = (store / policy.type / "policy").iterdir()
    argv = [*image_tools("setfiles").argv("setfiles"), "-q", "-c", binary]

    def accepted(types):
        file = tmp_path / "contexts"
        file.write_text("".join(f"/{kind} system_u:object_r:{kind}:s0\n" for kind in types))
        return run([*argv, file], codes=(0, 255), name="setfiles").code == 0

    known = policy.names.types
    assert len(known) > 4000
    assert accepted(sorted(known))
    names = re.findall(rb"[A-Za-z_][A-Za-z0-9_]+", binary.read_bytes())  # of all sorts
    others = {name.decode() for name in names} - known
    assert {"domain", "file_type", "process", "system_r"} <= others
    some = random.Random("types").sample(sorted(others), 100)
    assert [kind for kind in some if accepted([kind])] == []

"""Labels of the base's policy reach the image, and what reaches it is read back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.checkout import copy_checkout
from tests.builders.policy import EVERYTHING, binary_policy, policy_files
from tests.builders.world import ROOT, World, make_world

HELLO = ("hello", "app-misc/hello")
CONTEXTS = (
    EVERYTHING
    + "/usr/bin(/.*)? system_u:object_r:bin_t:s0\n"
    + "/usr/bin/.* -l system_u:object_r:lib_t:s0\n"
    + "/usr/share/hello/data <<none>>\n"
)
LABELS = {
    "/usr": "system_u:object_r:any_t:s0",
    "/usr/bin": "system_u:object_r:bin_t:s0",
    "/usr/bin/hello": "system_u:object_r:bin_t:s0",
    "/usr/bin/hi": "system_u:object_r:lib_t:s0",
    "/usr/share/hello/data": None,
}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), base=dict(policy_files(CONTEXTS)))


def inspect(world: World, image: Path, *words: str) -> str:
    argv = [*world.argv()[:2], "inspect", "--labels", str(image), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def labels(world: World, image: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(inspect(world, image, "--json"))["labels"]
    return found


def test_every_entry_bears_the_label_of_the_base_s_policy(labelled, tmp_path):
    labelled.build(*HELLO, output=tmp_path)
    found = labels(labelled, tmp_path / "hello.raw")
    assert {path: found[path] for path in LABELS} == LABELS
    assert None not in {label for path, label in found.items() if path not in LABELS}
    manifest = json.loads((tmp_path / "hello_manifest.json").read_text())
    assert manifest["selinux"]["policy"] == "mcs"
    assert len(manifest["selinux"]["sources"]) == 2


def test_labels_are_listed_as_text_with_a_dash_for_none(labelled, tmp_path):
    labelled.build(*HELLO, output=tmp_path)
    lines = inspect(labelled, tmp_path / "hello.raw").splitlines()
    assert "system_u:object_r:lib_t:s0  /usr/bin/hi" in lines
    assert "-                           /usr/share/hello/data" in lines


def test_a_payload_has_no_labels_to_list(labelled, tmp_path):
    labelled.build(*HELLO, output=tmp_path)
    argv = [*labelled.argv()[:2], "inspect", "--labels", tmp_path / "flatcar_test_update-hello.gz"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, "--labels is for images" in done.stderr) == (2, True)


LOSES_LABELS = """
import sys
sys.path.insert(0, {root!r})
import sysextlib.pipeline as pipeline
from sysextlib.cli.main import main
from sysextlib.selinux.label import without_labels
write = pipeline.write_ddi
pipeline.write_ddi = lambda tree, *rest, **more: write(without_labels(tree), *rest, **more)
sys.exit(main(sys.argv[1:]))
"""


def test_labels_that_do_not_reach_the_image_stop_the_build(labelled, tmp_path):
    script = LOSES_LABELS.format(root=str(ROOT))
    argv = [sys.executable, "-c", script, *labelled.argv(*HELLO, output=tmp_path)[2:]]
    done = subprocess.run(argv, env=labelled.environment(), capture_output=True, text=True)
    assert done.returncode == 18, done.stderr
    assert "does not hold the tree" in done.stderr
    assert "security.selinux" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_selinux_leaves_all_labels_out_and_the_manifest_says_so(labelled, tmp_path):
    labelled.build(*HELLO, "--no-selinux", output=tmp_path)
    assert set(labels(labelled, tmp_path / "hello.raw").values()) == {None}
    manifest = json.loads((tmp_path / "hello_manifest.json").read_text())
    assert manifest["selinux"] == {"unlabelled": "--no-selinux"}


def test_a_base_without_a_policy_gives_no_labels_and_the_manifest_says_so(world, tmp_path):
    world.build(*HELLO, output=tmp_path)
    assert set(labels(world, tmp_path / "hello.raw").values()) == {None}
    manifest = json.loads((tmp_path / "hello_manifest.json").read_text())
    assert manifest["selinux"] == {"unlabelled": "the base has no SELinux policy"}


def test_a_policy_without_its_contexts_is_warned_of(tmp_path):
    world = make_world(tmp_path / "world", base={"etc/selinux/config": b"SELINUXTYPE=mcs\n"})
    done = world.run(*HELLO, output=tmp_path / "out")
    assert (done.returncode, "names the SELinux policy mcs" in done.stderr) == (0, True)
    manifest = json.loads((tmp_path / "out/hello_manifest.json").read_text())
    told = "the base lacks the file contexts of its SELinux policy mcs"
    assert manifest["selinux"] == {"unlabelled": told}


def test_another_policy_takes_the_place_of_the_base_s(labelled, tmp_path):
    text = "/.* system_u:object_r:own_t:s0\n"
    for path, data in policy_files(text, kind="other").items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    flag = f"--selinux-policy={tmp_path / 'etc/selinux'}"
    labelled.build(*HELLO, flag, output=tmp_path / "out")
    found = labels(labelled, tmp_path / "out/hello.raw")
    assert set(found.values()) == {"system_u:object_r:own_t:s0"}


def test_two_words_about_the_policy_contradict_each_other(labelled, tmp_path):
    done = labelled.run(*HELLO, "--no-selinux", "--selinux-policy=/x", output=tmp_path)
    assert (done.returncode, "say the opposite" in done.stderr) == (2, True)


def test_a_type_that_the_policy_does_not_know_stops_the_build(tmp_path):
    files = policy_files(CONTEXTS, binary=binary_policy(["any_t", "lib_t"]))
    world = make_world(tmp_path / "world", base=dict(files))
    done = world.run(*HELLO, output=tmp_path / "out")
    assert done.returncode == 26
    assert "does not know type bin_t, the label of /usr/bin" in done.stderr
    assert "file_contexts:2" in done.stderr


def test_our_own_rules_are_those_of_the_extension_and_the_policy(labelled, tmp_path):
    program = copy_checkout(tmp_path / "program")
    (program.parent / "selinux/mcs").mkdir()
    own = program.parent / "selinux/mcs/hello.fc"
    own.write_text("# a reason\n/usr/bin/hello -- system_u:object_r:own_t:s0\n")
    argv = labelled.argv(*HELLO, output=tmp_path / "out")
    argv = [sys.executable, str(program), *argv[2:]]
    subprocess.run(argv, env=labelled.environment(), check=True, capture_output=True)
    found = labels(labelled, tmp_path / "out/hello.raw")
    assert found["/usr/bin/hello"] == "system_u:object_r:own_t:s0"
    own.write_text("/usr/bin/hello -- system_u:object_r:made_up_t:s0\n")
    done = subprocess.run(argv, env=labelled.environment(), capture_output=True, text=True)
    assert done.returncode == 26
    assert "type made_up_t, wanted by selinux/mcs/hello.fc:1" in done.stderr

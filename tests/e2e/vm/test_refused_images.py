"""What systemd does with images that it must not merge, and that ``explain`` predicted it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.vm.payload import checkout_certificate
from ci.vm.root import POLICY
from sysextlib.explain.policy import parse_policy
from sysextlib.explain.verdict import Effect, explain_image
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import write_ddi
from sysextlib.image.keys import load_signing_key
from sysextlib.image.release import ExtensionRelease
from sysextlib.tree import Tree, file_entry
from tests.builders import altered
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.tools import image_tools
from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.demo, pytest.mark.slow]

REFRESH = f"systemd-sysext refresh --image-policy={POLICY}"
SECONDS = 900


@dataclass(frozen=True)
class Case:
    """An image and what becomes of it: what ``explain`` says, and a word of systemd's message."""

    path: Path
    name: str
    effect: Effect
    told: str = ""


@pytest.fixture(scope="module")
def cases(hello, tmp_path_factory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("refused")
    good = hello.build("1.0.0")
    stranger = private_key(number=1)
    strange = write_pair(folder / "keys", stranger, certificate(stranger))
    stops = Effect.STOPS_ALL

    def place(name: str) -> Path:
        path = folder / name / "hello.raw"
        path.parent.mkdir()
        return path

    paths = {
        "good": (good, Effect.MERGED, ""),
        "unsigned": (altered.unsigned(good, place("unsigned")), stops, "policy"),
        "bare": (altered.bare(good, place("bare")), stops, "policy"),
        "another key": (hello.build("1.0.0", keys=strange), stops, "key not available"),
        "data": (
            altered.altered_data(good, place("data"), b"a needle in a haystack"),
            Effect.DAMAGED,
            "",
        ),
        "tree": (altered.altered_tree(good, place("tree")), stops, ""),
        "signature": (altered.altered_signature(good, place("signature")), stops, ""),
        "root hash": (altered.altered_root_hash(good, place("root-hash")), stops, ""),
        "version": (hello.build("1.0.1"), Effect.SKIPPED, "incompatible"),
        "system": (stamped(place("system"), os_id="other"), Effect.SKIPPED, "incompatible"),
        "architecture": (stamped(place("arch"), arch=Arch.ARM64), Effect.SKIPPED, "incompatible"),
    }
    cases = {key: Case(path, "hello.raw", *rest) for key, (path, *rest) in paths.items()}
    misnamed = folder / "hello-2.0.raw"
    misnamed.symlink_to(good)
    return {**cases, "misnamed": Case(misnamed, "hello-2.0.raw", stops, "metadata")}


def stamped(out: Path, os_id: str = "sysext-demo", arch: Arch = Arch.AMD64) -> Path:
    """An image with a stamp that no build for this machine would give it."""
    release = ExtensionRelease(name="hello", os_id=os_id, version_id="1.0.0", arch=arch)
    tree = Tree([file_entry(release.path, release.text().encode())])
    key = load_signing_key(checkout_certificate().parent)
    tools = image_tools("mkfs.erofs")
    write_ddi(tree, out, arch=Arch.AMD64, seed=b"stamped", epoch=0, key=key, tools=tools)
    return out


@pytest.fixture(scope="module")
def vm(cases):
    images = {f"{key.replace(' ', '-')}/{case.name}": case.path for key, case in cases.items()}
    with Vm(images=images) as running:
        yield running


KEYS = (
    "good", "unsigned", "bare", "another key", "data", "tree", "signature", "root hash",
    "version", "system", "architecture", "misnamed",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_explain_predicts_what_systemd_does(vm, cases, host, key):
    case = cases[key]
    predicted = explain_image(case.path, host, parse_policy(POLICY)).effect
    assert predicted is case.effect
    place = f"/mnt/payload/{key.replace(' ', '-')}/{case.name}"
    try:
        done = vm.run(f"ln -s {place} /run/extensions/ && {REFRESH}", SECONDS)
        merged = vm.merged_names()
        assert (done.code != 0) == (case.effect is Effect.STOPS_ALL), done.text
        assert merged == ({"hello"} if case.effect in (Effect.MERGED, Effect.DAMAGED) else set())
        assert case.told.lower() in done.text.lower()
        if case.effect is Effect.DAMAGED:
            read = vm.run("cat /usr/share/hello/needle")
            assert read.code != 0
            assert "Input/output error" in read.text
        if case.effect is Effect.MERGED:
            assert vm.ok("hello") == "hello of 1.0.0"
    finally:
        vm.ok("rm -f /run/extensions/*; systemd-sysext unmerge", SECONDS)


def test_one_image_that_stops_all_keeps_a_good_one_out(vm):
    bad = "ln -s /mnt/payload/unsigned/hello.raw /run/extensions/hello.raw"
    good = "ln -s /mnt/payload/good/hello.raw /run/extensions/hello-2.0.raw"
    assert vm.run(f"{bad} && {good} && {REFRESH}", SECONDS).code != 0
    assert vm.merged_names() == set()
    vm.ok("rm -f /run/extensions/*; systemd-sysext unmerge", SECONDS)

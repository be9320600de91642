"""What can be wrong with an extension, and by what it is caught: the table of mutations.

Each row is a good extension with one thing changed. It is caught by

* a **check** of the finished tree, whose finding stops the build;
* a **refusal** before the tree is finished: packages that contradict each other or the base;
* the build's own **read-back**: the image or payload that was written is not what it must be;
* **verify**, of an image that was changed after it was built;
* **explain**, of an image that is intact and yet not for the machine;
* the **VM**, whose test is named: that a real systemd, udev or kernel agrees.

A mutation that nothing catches fails its test, and so does one that something else catches.
"""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sysextlib.tree import Entry, Kind, directory_entry, file_entry, link_entry
from tests.builders import altered
from tests.builders.binpkg import PackageSpec
from tests.builders.checkout import copy_checkout
from tests.builders.elf import ARM64, elf
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.kmod import KERNEL, module
from tests.builders.policy import EVERYTHING, policy_files
from tests.builders.tree import CAPABILITY
from tests.builders.world import MTIME, OS_RELEASE, ROOT, World, greet, hello, make_world

UNITS = "usr/lib/systemd/system"
MODULES = f"usr/lib/modules/{KERNEL}"
KEY_TEXT = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw" + b"\n"
STRICT = "--image-policy=root=signed+absent:usr=signed+absent"


def file(path: str, data: bytes = b"x\n", mode: int = 0o644, **more: Any) -> Entry:
    return replace(file_entry(path, data, mode=mode, mtime=MTIME), **more)


def unit(text: str, name: str = "m.service") -> Entry:
    return file(f"{UNITS}/{name}", text.encode())


# What a package brings beside a program, and the finding that stops the build.
CHECKED: dict[str, tuple[str, list[Entry]]] = {
    "a unit starts a program that is nowhere": (
        "missing-program", [unit("[Service]\nExecStart=/usr/bin/nowhere\n")]),
    "a unit starts what nobody may execute": (
        "program-not-executable", [unit("[Service]\nExecStart=/usr/lib/x\n"), file("usr/lib/x")]),
    "a unit requires one that is nowhere": (
        "missing-unit", [unit("[Unit]\nRequires=nowhere.service\n")]),
    "a unit runs as a user that nobody knows": (
        "unit-of-unknown-user", [unit("[Service]\nUser=stranger\n")]),
    "a .wants link in the place of Upholds=": (
        "link-starts-nothing", [unit(""), link_entry(
            f"{UNITS}/multi-user.target.wants/m.service", "../m.service", mtime=MTIME)]),
    "udev rules, and udev does not wait": (
        "udev-rules-too-late", [file("usr/lib/udev/rules.d/60-m.rules")]),
    "a line of tmpfiles.d without its source": (
        "tmpfiles-source", [file("usr/lib/tmpfiles.d/m.conf", b"C /etc/m - - - - /usr/nowhere\n")]),
    "a line of tmpfiles.d for an unknown user": (
        "tmpfiles-owner", [file("usr/lib/tmpfiles.d/m.conf", b"d /var/m 0755 stranger root\n")]),
    "a file of the user who built the package": ("unknown-owner", [file("usr/m", uid=1000)]),
    "a setuid program": ("privileged", [file("usr/bin/su", mode=0o4755)]),
    "a setgid program": ("privileged", [file("usr/bin/wall", mode=0o2755)]),
    "a program with capabilities": (
        "privileged", [file("usr/bin/ping", mode=0o755,
                            xattrs=(("security.capability", CAPABILITY),))]),
    "a file that everyone may write": ("world-writable", [file("usr/m", mode=0o666)]),
    "a folder that everyone may write": (
        "world-writable", [directory_entry("usr/share/m", mode=0o777, mtime=MTIME)]),
    "a FIFO": (
        "special-file", [Entry(path="usr/m", kind=Kind.FIFO, mode=0o644, mtime=MTIME)]),
    "a link to nothing": ("dangling-link", [link_entry("usr/m", "nowhere", mtime=MTIME)]),
    "a private key": ("secret", [file("usr/share/m/x.pem", KEY_TEXT)]),
    "a password database": ("secret", [file("usr/share/m/shadow", b"root:*:1:0:9:7:::\n")]),
    "a script without its interpreter": (
        "missing-interpreter", [file("usr/bin/m", b"#!/usr/bin/perl\n", mode=0o755)]),
    "a program without its library": (
        "missing-library", [file("usr/bin/m", elf(needed=["libnowhere.so.1"]), mode=0o755)]),
    "a program for a newer library": (
        "missing-symbol-version", [file("usr/bin/m", elf(
            needed=["libbase.so"], wants={"libbase.so": ["BASE_2"]}), mode=0o755)]),
    "a library where no one looks": (
        "library-not-in-cache", [file("usr/lib/conf/libm.so", elf(), mode=0o755),
                                 file("usr/bin/m", elf(needed=["libm.so"]), mode=0o755)]),
    "a library with damaged headers": (
        "damaged-elf", [file("usr/lib64/libm.so", elf(more=[(5, 1 << 60)])[:200], mode=0o755)]),
    "a module for another kernel": (
        "kernel-module-vermagic", [file(f"{MODULES}/extra/m.ko", module("m", vermagic="5.0 "))]),
    "a module that needs one that is nowhere": (
        "kernel-module-depends", [file(f"{MODULES}/extra/m.ko", module("m", depends=["no"]))]),
    "nothing but the stamp": ("empty-payload", []),
}  # fmt: skip

# What a package brings, and the exit code and words of the refusal.
REFUSED: dict[str, tuple[int, str, list[Entry]]] = {
    "another file at a path of the base": (12, "usr/bin/sh", [file("usr/bin/sh", b"mine")]),
    "an os-release": (12, "usr/lib/os-release", [file("usr/lib/os-release", b"ID=m\n")]),
    "a stamp of its own": (
        12, "extension-release.m", [file("usr/lib/extension-release.d/extension-release.m")]),
    "a whiteout": (
        8, "usr/m", [Entry(path="usr/m", kind=Kind.CHARDEV, mode=0, device=(0, 0), mtime=MTIME)]),
    "a path that another package has": (12, "usr/bin/hello", [file("usr/bin/hello", b"mine")]),
}  # fmt: skip

# What a writer of images does wrong, as a function of the tree.
MISWRITTEN = {
    "a label is lost": "without_labels(tree)",
    "a byte is another": (
        "changed(tree, 'usr/bin/hello', content=Content.of(b'#!/bin/sh\\necho h\\n'))"),
    "a mode is another": "changed(tree, 'usr/bin/hello', mode=0o711)",
    "an owner is another": "changed(tree, 'usr/bin/hello', uid=1)",
    "a time is another": "changed(tree, 'usr/bin/hello', mtime=1)",
    "a link leads elsewhere": "changed(tree, 'usr/bin/hi', target='elsewhere')",
    "an entry is missing": "tree.without(['usr/bin/hi'])",
    "an entry is too many": "tree.updated([link_entry('usr/bin/more', 'hello')])",
    "a capability is added": (
        "changed(tree, 'usr/bin/hello', xattrs=(('security.capability', b'x' * 20),))"),
}  # fmt: skip

# What becomes of a finished image.
DAMAGED: dict[str, Callable[[Path, Path], object]] = {
    "a byte of a file changes": lambda image, out: altered.altered_data(image, out, b"echo hello"),
    "a byte of the hashes changes": altered.altered_tree,
    "the signature changes": altered.altered_signature,
    "the root hash changes": altered.altered_root_hash,
    "the signature is taken away": altered.unsigned,
    "a byte of the partition table changes": lambda image, out: altered.flip(image, out, 512 + 60),
    "it is cut short": lambda image, out: out.write_bytes(image.read_bytes()[:-8192]),
    "it gets another name": lambda image, out: shutil.copyfile(image, out.with_name("other.raw")),
}  # fmt: skip

# An intact image meets another machine: the flags of explain's base, and what is said.
UNFIT: dict[str, tuple[dict[str, bytes], str]] = {
    "the machine has another version": (
        {"usr/lib/os-release": OS_RELEASE.replace(b"1.2.3", b"1.2.4")}, "skipped: VERSION_ID is"),
    "the machine is another system": (
        {"usr/lib/os-release": OS_RELEASE.replace(b"sysext-demo", b"other")}, "skipped: ID is"),
    "the machine has another architecture": (
        {"usr/bin/bash": elf(machine=ARM64)}, "skipped: ARCHITECTURE is"),
    "the machine does not trust the key": ({"usr/lib/verity.d/x.crt": b""}, "no certificate fits"),
}  # fmt: skip

# What only a running system shows, and the test that does.
IN_VM = {
    "a file without a label is unlabeled_t once merged":
        "test_selinux.py::test_every_file_has_the_label_that_the_running_policy_wants",
    "a label keeps a service from starting":
        "test_selinux.py::test_units_of_extensions_can_be_controlled",
    "a unit that nothing upholds does not start":
        "test_merge.py::test_units_are_started_by_upholds",
    "a module that modprobe does not find":
        "test_merge.py::test_plain_modprobe_loads_the_extensions_module_and_one_of_the_bases",
    "a group of an extension that is made too late":
        "test_merge.py::test_users_and_groups_of_extensions_are_made_before_their_units_start",
    "an image that is unsigned, wrongly signed, altered, misnamed or of another system":
        "test_refused_images.py::test_explain_predicts_what_systemd_does",
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """A world and the extension "hello" of it."""

    world: World
    image: Path


def packages(kinds: Iterable[tuple[str, list[Entry]]]) -> list[PackageSpec]:
    return [
        PackageSpec(cpv=f"mutant/{name}-1", metadata={"repository": "test"}, entries=entries)
        for name, entries in kinds
    ]


def name_of(mutation: str) -> str:
    """Return the name of a package for a row of the table."""
    return "".join(char if char.isalnum() else "-" for char in mutation.lower()).strip("-")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    base = {
        **policy_files(EVERYTHING),
        "etc/ld.so.conf": b"/usr/lib/conf\n",
        "usr/lib64/libbase.so": elf(soname="libbase.so", defines=["BASE_1"]),
        f"{MODULES}/kernel/x.ko": module("x"),
    }
    mutants = [(name_of(name), entries) for name, (_, entries) in CHECKED.items()]
    mutants += [(name_of(name), entries) for name, (_, _, entries) in REFUSED.items()]
    specs = [hello(), greet(), *packages(mutants)]
    return make_world(tmp_path_factory.mktemp("world"), specs, base)


@pytest.fixture(scope="module")
def built(world: World, tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("built")
    world.build("hello", "app-misc/hello", "--compression=none", output=out)
    return Built(world, out / "hello.raw")


def stopped(world: World, out: Path, *words: str, code: int) -> str:
    """Run a build that must fail and leave nothing; return what it said."""
    done = world.run(*words, output=out)
    assert done.returncode == code, done.stderr
    assert not out.exists() or list(out.iterdir()) == []
    return done.stderr


def test_the_extension_that_the_mutations_begin_with_is_good(built):
    assert call(built.world, "verify", built.image).returncode == 0


def test_there_are_more_than_twenty_kinds():
    rows = [*CHECKED, *REFUSED, *MISWRITTEN, *DAMAGED, *UNFIT, *IN_VM]
    assert len(rows) == len(set(rows)) > 50


@pytest.mark.parametrize("mutation", CHECKED)
def test_a_check_of_the_tree_catches_it(world, tmp_path, mutation):
    code, _ = CHECKED[mutation]
    name = name_of(mutation)
    said = stopped(world, tmp_path / "out", "m", f"mutant/{name}", code=14)
    told = [line.strip() for line in said.splitlines() if line.startswith("  ") and ":" in line]
    assert [one for one in told if one.startswith(f"{code}:")], said


@pytest.mark.parametrize("mutation", REFUSED)
def test_a_refusal_catches_it(world, tmp_path, mutation):
    code, told, _ = REFUSED[mutation]
    words = ("m", f"mutant/{name_of(mutation)}", "app-misc/hello")
    assert told in stopped(world, tmp_path / "out", *words, code=code)


def test_a_check_catches_what_the_definition_requires_and_is_not_there(world, tmp_path):
    program = copy_checkout(tmp_path / "program")
    folder = program.parent / "sysexts/needy"
    folder.mkdir()
    text = 'name = "needy"\nkind = "demo"\npackages = ["app-misc/hello"]\nrequired = ["usr/bin/no"]'
    (folder / "sysext.toml").write_text(text)
    argv = [sys.executable, str(program), *world.argv("needy", output=tmp_path / "out")[2:]]
    done = subprocess.run(argv, env=world.environment(), capture_output=True, text=True)
    assert (done.returncode, "required-path:usr/bin/no" in done.stderr) == (14, True)


WRITES_AMISS = """
import sys
sys.path.insert(0, {root!r})
from dataclasses import replace
import sysextlib.pipeline as pipeline
from sysextlib.cli.main import main
from sysextlib.selinux.label import without_labels
from sysextlib.tree import Content, link_entry

def changed(tree, path, **fields):
    return tree.updated([replace(tree[path], **fields)])

def amiss(tree, *rest, **more):
    return write({change}, *rest, **more)

write = pipeline.write_ddi
pipeline.write_ddi = amiss
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("mutation", MISWRITTEN)
def test_the_read_back_catches_it(world, tmp_path, mutation):
    script = WRITES_AMISS.format(root=str(ROOT), change=MISWRITTEN[mutation])
    words = world.argv("hello", "app-misc/hello", output=tmp_path)[2:]
    argv = [sys.executable, "-c", script, *words]
    done = subprocess.run(argv, env=world.environment(), capture_output=True, text=True)
    assert done.returncode == 18, done.stderr
    assert "does not hold the tree" in done.stderr
    assert list(tmp_path.iterdir()) == []


PAYS_AMISS = """
import sys
sys.path.insert(0, {root!r})
import sysextlib.pipeline as pipeline
from sysextlib.cli.main import main

def amiss(image, out, *rest, **more):
    facts = write(image, out, *rest, **more)
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    return facts

write = pipeline.write_payload
pipeline.write_payload = amiss
sys.exit(main(sys.argv[1:]))
"""


def test_the_read_back_catches_a_payload_with_another_byte(world, tmp_path):
    words = world.argv("hello", "app-misc/hello", output=tmp_path)[2:]
    argv = [sys.executable, "-c", PAYS_AMISS.format(root=str(ROOT)), *words]
    done = subprocess.run(argv, env=world.environment(), capture_output=True, text=True)
    assert done.returncode in {19, 20}, done.stderr
    assert list(tmp_path.iterdir()) == []


def call(world: World, *words: object) -> subprocess.CompletedProcess[str]:
    argv = [*world.argv()[:2], *map(str, words)]
    return subprocess.run(argv, env=world.environment(), capture_output=True, text=True)


@pytest.mark.parametrize("mutation", DAMAGED)
def test_verify_catches_it(built, tmp_path, mutation):
    DAMAGED[mutation](built.image, tmp_path / "hello.raw")
    (image,) = tmp_path.iterdir()
    done = call(built.world, "verify", image)
    assert (done.returncode, "REFUSED" in done.stdout) == (20, True), done.stderr


def test_verify_catches_the_signature_of_another_key(built, tmp_path):
    write_pair(tmp_path, private_key(number=1), certificate(private_key(number=1)))
    done = call(built.world, "verify", built.image, f"--certificate={tmp_path / 'sysexts.crt'}")
    assert done.returncode == 20, done.stderr


@pytest.mark.parametrize("mutation", UNFIT)
def test_explain_catches_it(built, tmp_path, mutation):
    base, told = UNFIT[mutation]
    trusted = (built.world.keys / "sysexts.crt").read_bytes()
    given = {"usr/lib/verity.d/x.crt": trusted, **base}
    other = make_world(tmp_path / "machine", base=dict(given))
    done = call(built.world, "explain", built.image, f"--base={other.base}", STRICT)
    assert (done.returncode, told in done.stdout) == (27, True), done.stdout + done.stderr


def test_explain_finds_no_fault_with_the_machine_that_it_is_for(built, tmp_path):
    trusted = {"usr/lib/verity.d/x.crt": (built.world.keys / "sysexts.crt").read_bytes()}
    same = make_world(tmp_path / "machine", base=dict(trusted))
    done = call(built.world, "explain", built.image, f"--base={same.base}", STRICT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutation", IN_VM)
def test_the_vm_has_a_test_of_it(mutation):
    name, _, test = IN_VM[mutation].partition("::")
    tree = ast.parse((ROOT / "tests/e2e/vm" / name).read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

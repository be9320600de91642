"""--strip_binaries, on real ELF files."""

import gzip
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from sysextlib.edit.changes import Edited
from sysextlib.edit.strip import SIGNATURE_END, has_symbols, strip_argv, strip_binaries
from sysextlib.errors import EditError, MissingToolError
from sysextlib.gentoo.arch import Arch
from sysextlib.system.run import run
from sysextlib.tree import Content, Entry, Tree, file_entry
from tests.builders.needs import require_tool

pytestmark = pytest.mark.tool


# exit(2), with a local symbol that only a symbol table knows
SOURCE = """
.globl _start
_start:
    mov $60, %eax
    mov $2, %edi
local:
    syscall
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A program, a library and an object file with symbols and debug information."""
    if platform.machine() != "x86_64":
        pytest.skip("the assembly is for x86-64")
    require_tool("as", "ld", "strip", "readelf")
    folder = tmp_path_factory.mktemp("elf")
    (folder / "source.s").write_text(SOURCE)
    run(["as", "--64", "-g", "-o", folder / "object", folder / "source.s"])
    run(["ld", "-o", folder / "program", folder / "object"])
    run(["ld", "-shared", "-o", folder / "library", folder / "object"])
    return {name: (folder / name).read_bytes() for name in ("program", "library", "object")}


def strip(tree: Tree, tmp_path: Path, jobs: int = 2) -> Edited:
    return strip_binaries(tree, ["strip"], tmp_path / "scratch", jobs=jobs)


def sections(entry: Entry, tmp_path: Path) -> set[str]:
    """Return what readelf finds in a file."""
    assert entry.content is not None
    path = tmp_path / "asked"
    path.write_bytes(entry.content.read())
    return set(run(["readelf", "-SW", path]).stdout.decode().split())


def test_programs_and_libraries_lose_symbols_and_keep_everything_else(elf, tmp_path):
    program = file_entry("usr/bin/a", elf["program"], mode=0o4755, mtime=5, origin="x/y-1")
    program = replace(program, xattrs=(("security.capability", b"\1"),))
    library = file_entry("usr/lib/liba.so", elf["library"])
    edited = strip(Tree([program, library]), tmp_path)
    for path in ("usr/bin/a", "usr/lib/liba.so"):
        assert not sections(edited.tree[path], tmp_path) & {".symtab", ".debug_info"}
    stripped = edited.tree["usr/bin/a"]
    assert replace(stripped, content=program.content) == program
    assert [change.path for change in edited.log] == ["usr/bin/a", "usr/lib/liba.so"]
    assert edited.log[0].detail == f"symbols: {program.size} -> {stripped.size} bytes"


def test_a_stripped_program_still_runs(elf, tmp_path):
    content = (
        strip(Tree([file_entry("usr/bin/a", elf["program"])]), tmp_path).tree["usr/bin/a"].content
    )
    assert content is not None
    path = tmp_path / "program"
    path.write_bytes(content.read())
    path.chmod(0o755)
    run([path], codes=[2])


def test_a_kernel_module_keeps_the_symbols_it_is_linked_by(elf, tmp_path):
    module = file_entry("usr/lib/modules/6/a.ko", elf["object"])
    edited = strip(Tree([module]), tmp_path)
    assert sections(module, tmp_path) >= {".symtab", ".debug_info"}
    left = sections(edited.tree[module.path], tmp_path)
    assert ".symtab" in left
    assert ".debug_info" not in left
    assert edited.log[0].detail.startswith("debug information of an object file")


def test_a_signed_kernel_module_stays_as_it_is_and_the_log_says_so(elf, tmp_path):
    module = file_entry("usr/lib/modules/6/a.ko", elf["object"] + b"sig" + SIGNATURE_END)
    edited = strip(Tree([module]), tmp_path)
    assert edited.tree == Tree([module])
    assert edited.log[0].detail == "left as it is: a signed kernel module"


def test_what_is_no_elf_with_symbols_is_left_alone(elf, tmp_path):
    program = file_entry("usr/bin/a", elf["program"])
    stripped = strip(Tree([program]), tmp_path).tree["usr/bin/a"]
    tree = Tree([
        stripped,
        file_entry("usr/bin/script", b"#!/bin/sh\n"),
        file_entry("usr/lib/modules/6/a.ko.gz", gzip.compress(elf["object"])),
        file_entry("usr/empty", b""),
    ])  # fmt: skip
    edited = strip(tree, tmp_path / "2")
    assert (edited.tree, edited.log) == (tree, ())


def test_hard_links_stay_one_file(elf, tmp_path):
    one = replace(file_entry("usr/bin/a", elf["program"]), hardlink="t")
    tree = strip(Tree([one, replace(one, path="usr/bin/b")]), tmp_path).tree
    assert tree["usr/bin/a"].content == tree["usr/bin/b"].content != one.content
    assert tree["usr/bin/a"].hardlink == tree["usr/bin/b"].hardlink == "t"


def test_the_result_does_not_depend_on_the_number_of_jobs(elf, tmp_path):
    tree = Tree([file_entry(f"usr/{name}", data) for name, data in elf.items()])
    one, four = strip(tree, tmp_path / "1", 1), strip(tree, tmp_path / "4", 4)
    assert one.tree.digest() == four.tree.digest()
    assert one.log == four.log


def test_a_content_that_is_a_slice_of_a_spool_is_stripped_too(elf, tmp_path):
    spool = tmp_path / "spool"
    spool.write_bytes(b"before" + elf["program"] + b"after")
    whole = Content.of(elf["program"])
    entry = file_entry("usr/bin/a", b"")
    sliced = replace(entry, content=replace(whole, data=None, spool=spool, offset=6))
    assert strip(Tree([sliced]), tmp_path).log


@pytest.mark.parametrize("keep", [0, 3, 16, 51, 63, 64, 100])
def test_a_truncated_elf_file_has_no_symbols(elf, keep):
    assert not has_symbols(Content.of(elf["program"][:keep]))


def test_a_section_table_that_lies_is_survived(elf):
    data = bytearray(elf["program"])
    data[40:48] = b"\xff" * 8
    assert not has_symbols(Content.of(bytes(data)))
    data[40:48] = (len(data) - 70).to_bytes(8, "little")
    data[58:62] = b"\xff" * 4
    assert not has_symbols(Content.of(bytes(data)))


def test_a_file_that_strip_refuses_is_named(elf, tmp_path):
    data = bytearray(elf["program"])
    data[18:20] = b"\xfe\xfe"  # a machine that nobody knows
    with pytest.raises(EditError, match="usr/bin/odd cannot be stripped"):
        strip(Tree([file_entry("usr/bin/odd", bytes(data))]), tmp_path)


def test_the_boards_toolchain_strips_before_our_tools(tmp_path):
    class OurTools:
        def argv(self, name: str) -> tuple[str, ...]:
            return ("ours", name)

    require_tool("x86_64-linux-gnu-strip")
    own = strip_argv("x86_64-linux-gnu", Arch.AMD64, OurTools())
    assert own[0].endswith("/x86_64-linux-gnu-strip")
    other = strip_argv("aarch64-cros-linux-gnu", Arch.ARM64, OurTools())
    assert other == ("ours", "aarch64-linux-gnu-strip")


def test_a_missing_strip_is_a_missing_tool(elf, tmp_path):
    tree = Tree([file_entry("usr/bin/a", elf["program"])])
    with pytest.raises(MissingToolError):
        strip_binaries(tree, ["no-such-strip"], tmp_path / "scratch", jobs=1)

"""Findings about ELF files: what the dynamic linker would not find, and hostile headers."""

import contextlib
import random
import struct

import pytest

from sysextlib.check.elf_file import DamagedElfError, ElfFile, read_elf
from sysextlib.tree import Tree, file_entry
from tests.builders.definition import sysext
from tests.builders.elf import AMD64, ARM64, elf
from tests.builders.merged import SHELL, findings, keys

LD = "/lib64/ld-linux-x86-64.so.2"
BASE = {
    **SHELL,
    "lib64": "usr/lib64",
    "usr/lib64/ld-linux-x86-64.so.2": elf(),
    "usr/lib64/libc.so.6": elf(soname="libc.so.6", defines=["libc.so.6", "C_1", "C_2"]),
    "usr/lib64/libold.so.1": elf(soname="libold.so.1"),
    "etc/ld.so.conf": b"# comment\n/usr/lib/conf\ninclude ld.so.conf.d/*.conf\ninclude /nowhere\n",
    "etc/ld.so.conf.d/more.conf": b"/usr/lib/more # of the base\n",
    "etc/ld.so.conf.d/other": b"/usr/lib/other\n",
}
PROGRAM = "usr/bin/x"


def of_program(program: bytes, **libraries: bytes) -> list[str]:
    """Return the findings on a program beside libraries in usr/lib64; _ stands for a dot."""
    files = {f"usr/lib64/{name.replace('_', '.')}": data for name, data in libraries.items()}
    return keys({PROGRAM: program, **files}, BASE)


def read(data: bytes) -> ElfFile | None:
    return read_elf(lambda offset, size: data[offset : offset + size])


def test_a_program_that_finds_everything_is_fine():
    program = elf(interpreter=LD, needed=["libc.so.6", "liba.so"], wants={"libc.so.6": ["C_2"]})
    assert of_program(program, liba_so=elf(needed=["libc.so.6"])) == []


def test_a_library_that_is_nowhere_is_told_with_its_user():
    program = elf(needed=["libc.so.6", "libno.so.1", "libnone.so"])
    found = findings({PROGRAM: program}, BASE)
    assert [one.key for one in found] == [f"missing-library:{PROGRAM}"] * 2
    assert "libno.so.1" in found[0].message
    assert "libnone.so" in found[1].message


def test_the_need_of_a_library_counts_as_that_of_a_program():
    library = elf(needed=["libno.so"])
    assert keys({"usr/lib64/liba.so": library}, BASE) == ["missing-library:usr/lib64/liba.so"]


def test_an_interpreter_that_is_nowhere_is_told():
    assert of_program(elf(interpreter="/lib/ld-musl.so.1")) == [f"missing-interpreter:{PROGRAM}"]


def test_a_symbol_version_that_the_base_s_library_lacks_is_told():
    program = elf(needed=["libc.so.6"], wants={"libc.so.6": ["C_1", "C_3"]})
    (found,) = findings({PROGRAM: program}, BASE)
    assert found.key == f"missing-symbol-version:{PROGRAM}"
    assert "C_3 of usr/lib64/libc.so.6" in found.message
    assert "C_1" not in found.message


def test_a_version_that_may_be_missing_or_of_a_library_without_any_is_not_asked_for():
    weakly = elf(needed=["libc.so.6"], weakly={"libc.so.6": ["C_3"]})
    assert of_program(weakly) == []
    unversioned = elf(needed=["libold.so.1"], wants={"libold.so.1": ["OLD_1"]})
    assert of_program(unversioned) == []


@pytest.mark.parametrize(
    ("runpath", "folder", "found"),
    [
        ("/usr/lib64/app", "usr/lib64/app", True),
        ("$ORIGIN/../lib64/app", "usr/lib64/app", True),
        ("${ORIGIN}/../$LIB/app", "usr/lib64/app", True),
        ("/nowhere:/usr/share/app", "usr/share/app", True),
        ("/usr/lib64/app", "usr/share/app", False),
        ("", "usr/lib64/app", False),
    ],
)
def test_a_search_path_of_the_program_is_followed(runpath, folder, found):
    files = {PROGRAM: elf(needed=["liba.so"], runpath=runpath), f"{folder}/liba.so": elf()}
    told = [] if found else [f"warning library-not-searched:{PROGRAM}"]
    assert keys(files, BASE) == told
    files[PROGRAM] = elf(needed=["liba.so"], rpath=runpath)
    assert keys(files, BASE) == told


@pytest.mark.parametrize("folder", ["usr/lib/conf", "usr/lib/more"])
def test_a_library_that_only_a_new_ld_so_cache_would_know_is_told(folder):
    files = {PROGRAM: elf(needed=["liba.so"]), f"{folder}/liba.so": elf()}
    assert keys(files, BASE) == [f"library-not-in-cache:{folder}/liba.so"]
    of_base = {**BASE, f"{folder}/liba.so": elf()}
    assert keys({PROGRAM: files[PROGRAM]}, of_base) == []


def test_a_library_of_another_machine_is_not_the_one_that_is_needed():
    program = elf(needed=["liba.so"])
    (found,) = of_program(program, liba_so=elf(machine=ARM64))
    assert found == f"warning library-not-searched:{PROGRAM}"


def test_a_program_of_another_machine_is_not_judged():
    assert of_program(elf(machine=ARM64, needed=["libno.so"])) == []


def test_a_link_leads_to_a_library():
    files = {PROGRAM: elf(needed=["liba.so.1"]), "usr/lib64/liba.so.1": "liba.so.1.2",
             "usr/lib64/liba.so.1.2": elf()}  # fmt: skip
    assert keys(files, BASE) == []


def test_what_an_extension_below_may_have_is_only_warned_of():
    tree = Tree([file_entry(PROGRAM, elf(needed=["libno.so"]))])
    assert keys(tree, BASE, after=(sysext(),)) == [f"warning missing-library:{PROGRAM}"]


def test_includes_in_a_circle_come_to_an_end():
    base = {**BASE, "etc/ld.so.conf": b"include ld.so.conf\n/usr/lib/conf\n"}
    assert keys({PROGRAM: elf(needed=["libno.so"])}, base) == [f"missing-library:{PROGRAM}"]


def test_all_that_a_file_says_is_read():
    data = elf(
        soname="liba.so.1", needed=["b", "c"], interpreter=LD, runpath="/x:$ORIGIN",
        wants={"b": ["B_1", "B_2"], "c": ["C_1"]}, weakly={"c": ["C_2"]}, defines=["A_1", "A_2"],
    )  # fmt: skip
    assert read(data) == ElfFile(
        machine=AMD64,
        interpreter=LD,
        needed=("b", "c"),
        soname="liba.so.1",
        rpath=(),
        runpath=("/x", "$ORIGIN"),
        versions_needed=(("b", "B_1"), ("b", "B_2"), ("c", "C_1")),
        versions=frozenset({"A_1", "A_2"}),
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"\x7fELF", b"\x7fELF\x02\x01", b"\x7fELF\x01\x01" + bytes(60), b"#!/bin/sh\n" * 10],
)
def test_what_is_no_64_bit_program_is_none(data):
    assert read(data) is None


def test_a_file_of_debug_symbols_is_none():
    data = bytearray(LARGE)
    struct.pack_into("<Q", data, 64 + 56 + 32, 0)  # bytes in the file of the second segment
    assert read(bytes(data)) is None
    damaged = patched(5, 10**6)
    assert keys({"usr/lib/debug/usr/bin/x.debug": damaged}, BASE) == []


def test_firmware_for_another_machine_may_look_as_it_likes():
    data = bytearray(patched(5, 10**6))
    struct.pack_into("<H", data, 18, 243)  # RISC-V
    assert keys({"usr/lib/firmware/x.bin": bytes(data)}, BASE) == []


def test_an_object_file_is_none():
    data = bytearray(elf())
    struct.pack_into("<H", data, 16, 1)
    assert read(bytes(data)) is None


LARGE = elf(needed=["a"], defines=["V_1", "V_2"], wants={"a": ["W_1", "W_2"]}, interpreter=LD)


@pytest.mark.parametrize("at", range(64, len(LARGE), 7))
def test_a_file_cut_short_is_damaged_or_says_less_but_never_more(at):
    whole = read(LARGE)
    try:
        cut = read(LARGE[:at])
    except DamagedElfError:
        return
    assert set(cut.needed) <= set(whole.needed)
    assert cut.versions <= whole.versions


def test_bytes_turned_at_random_are_damaged_or_read_within_bounds():
    rng = random.Random(0)
    reads = 0

    def counted(offset: int, size: int) -> bytes:
        nonlocal reads
        reads += 1
        return bytes(data[offset : offset + size])

    for _ in range(500):
        data = bytearray(LARGE)
        for _ in range(rng.randrange(1, 12)):
            data[rng.randrange(6, len(data))] = rng.choice(
                [0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)]
            )
        reads = 0
        with contextlib.suppress(DamagedElfError):
            read_elf(counted)
        assert reads < 11_000


def patched(tag: int, value: int) -> bytes:
    """Return LARGE with another value of an entry of its dynamic section."""
    data = bytearray(LARGE)
    (at,) = struct.unpack_from("<Q", data, 64 + 56 + 8)  # the second segment's place
    while struct.unpack_from("<q", data, at) != (tag,):
        at += 16
    struct.pack_into("<Q", data, at + 8, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("tag", "value"),
    [(10, 2**63), (10, 2**40), (5, 2**64 - 1), (1, 2**32), (0x6FFFFFFE, 2**64 - 8), (5, 10**6)],
    ids=["huge strings", "strings", "address", "name", "versions", "beyond"],
)
def test_a_number_that_leads_out_of_the_file_is_damage(tag, value):
    with pytest.raises(DamagedElfError):
        read(patched(tag, value))


def test_counts_that_claim_much_are_bounded():
    assert read(patched(0x6FFFFFFF, 2**62)) == read(LARGE)
    assert read(patched(0x6FFFFFFD, 2**62)) == read(LARGE)


def test_more_of_anything_than_a_program_has_is_damage():
    with pytest.raises(DamagedElfError, match="2001 entries"):
        read(elf(needed=["a"], more=[(1, 1)] * 2000))
    with pytest.raises(DamagedElfError, match="folders"):
        read(elf(runpath=":".join(["/x"] * 200)))
    with pytest.raises(DamagedElfError, match="versions"):
        read(elf(defines=[f"V_{number}" for number in range(6000)]))
    segments = bytearray(elf())
    struct.pack_into("<H", segments, 56, 60_000)
    with pytest.raises(DamagedElfError, match="segments"):
        read(bytes(segments))


def test_a_damaged_file_is_told_and_stops_nothing():
    files = {PROGRAM: elf(needed=["libno.so"]), "usr/bin/y": patched(5, 10**6)}
    assert keys(files, BASE) == [f"missing-library:{PROGRAM}", "damaged-elf:usr/bin/y"]

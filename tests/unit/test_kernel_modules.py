"""Kernel modules are read from their bytes and compared with the base's kernel."""

import gzip
import lzma
import struct

import pytest
import zstandard

from sysextlib.check.kernel_modules import check_kernel_modules
from sysextlib.findings import Severity
from sysextlib.kernel_module import ModuleFormatError, read_module
from sysextlib.tree import Tree, file_entry
from tests.builders.kmod import KERNEL, VERMAGIC, module, signed

FOLDER = f"usr/lib/modules/{KERNEL}"
CRCS = {"module_layout": 0x1234, "printk": 0xCAFE}
SYMVERS = "".join(f"0x{crc:08x}\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n" for name, crc in CRCS.items())


class Base:
    """A base's files in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.tree = Tree(file_entry(path, data) for path, data in files.items())

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)


def base(*, symvers: bool = False, is_signed: bool = False) -> Base:
    own = module("crc32", versions={"module_layout": 0x1234})
    files = {f"{FOLDER}/kernel/crc32.ko": signed(own, b"0") if is_signed else own}
    if symvers:
        files[f"{FOLDER}/build/Module.symvers"] = SYMVERS.encode()
    return Base(files)


def codes(data: bytes, on: Base, name: str = "a.ko", **others: bytes) -> list[str]:
    files = {f"{FOLDER}/extra/{name}": data}
    files |= {f"{FOLDER}/extra/{key}.ko": value for key, value in others.items()}
    tree = Tree(file_entry(path, content) for path, content in files.items())
    return [finding.code for finding in check_kernel_modules(tree, on, None)]


def test_a_module_of_the_kernel_is_fine():
    data = module("a", depends=["crc32"], versions=CRCS)
    assert codes(data, base()) == []
    assert codes(data, base(symvers=True)) == []


@pytest.mark.parametrize(
    ("pack", "ending"),
    [
        (lzma.compress, ".xz"),
        (gzip.compress, ".gz"),
        (lambda data: zstandard.ZstdCompressor().compress(data), ".zst"),
    ],
)
def test_a_compressed_module_is_looked_into(pack, ending):
    assert codes(pack(module("a", versions=CRCS)), base(), "a.ko" + ending) == []
    wrong = pack(module("a", vermagic="5.0 SMP "))
    assert codes(wrong, base(), "a.ko" + ending) == ["kernel-module-vermagic"]


@pytest.mark.parametrize(
    "vermagic",
    ["6.12.104-flatcar SMP preempt mod_unload modversions ", f"{KERNEL} SMP mod_unload ", ""],
)
def test_another_vermagic_is_told(vermagic):
    assert codes(module("a", vermagic=vermagic), base()) == ["kernel-module-vermagic"]


def test_without_modules_of_its_own_the_folder_s_name_is_the_base_s_kernel():
    empty = Base({})
    assert codes(module("a", vermagic=VERMAGIC), empty) == []
    assert codes(module("a", vermagic="6.1 SMP "), empty) == ["kernel-module-vermagic"]


def test_a_crc_that_differs_from_the_base_s_modules_is_told():
    data = module("a", versions={"module_layout": 0x9999})
    assert codes(data, base()) == ["kernel-module-symbols"]


def test_a_symbol_that_no_base_module_uses_is_unknown_without_symvers_and_told_with_it():
    gone = module("a", versions={**CRCS, "gone": 7})
    assert codes(gone, base()) == []
    assert codes(gone, base(symvers=True)) == ["kernel-module-symbols"]
    other = module("a", versions={**CRCS, "printk": 8})
    assert codes(other, base()) == []
    assert codes(other, base(symvers=True)) == ["kernel-module-symbols"]


def test_a_symbol_of_another_module_of_ours_is_known():
    data = module("a", versions={**CRCS, "spl_a": 7}, depends=["spl"])
    spl = module("spl", exports=["spl_a"])
    assert codes(data, base(symvers=True), spl=spl) == []


def test_versions_in_the_extended_format_are_read_too():
    data = module("a", versions={})
    names, crcs = b"module_layout\0printk\0", struct.pack("<II", 0x9999, 0xCAFE)
    extended = module("a", more=[])
    assert read_module(extended, "a.ko").versions == {}
    built = module("a", sections={"__version_ext_crcs": crcs, "__version_ext_names": names})
    assert read_module(built, "a.ko").versions == {"module_layout": 0x9999, "printk": 0xCAFE}
    assert codes(built, base()) == ["kernel-module-symbols"]
    assert codes(data, base()) == []


def test_a_module_that_needs_one_that_nobody_has_is_told():
    assert codes(module("a", depends=["nobody"]), base()) == ["kernel-module-depends"]


def test_an_unsigned_module_is_a_warning_where_the_base_s_are_signed():
    tree = Tree([file_entry(f"{FOLDER}/extra/a.ko", module("a"))])
    (finding,) = check_kernel_modules(tree, base(is_signed=True), None)
    assert (finding.code, finding.severity) == ("kernel-module-unsigned", Severity.WARNING)
    assert check_kernel_modules(tree, base(), None) == ()


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 100, module("a")[:200], module("a")[:64], b"\x7fELF\x01\x01" + bytes(60),
     signed(module("a"), b"0")[:-60] + b"~Module signature appended~\n"],
)  # fmt: skip
def test_what_is_no_module_is_told_not_raised(data):
    assert codes(data, base()) == ["kernel-module-format"]


def test_every_truncation_of_a_module_is_told_not_raised():
    whole = signed(module("a", versions=CRCS, exports=["x"]), b"0" * 10)
    for size in range(len(whole)):
        try:
            read_module(whole[:size], "a.ko")
        except ModuleFormatError:
            continue


def test_a_module_says_what_it_is():
    data = module("snd-a", depends=["b-c", "d"], aliases=["x:*"], exports=["e"], versions={"f": 1})
    found = read_module(signed(data, b"PKCS"), "snd-a.ko")
    assert (found.name, found.depends, found.values("alias")) == ("snd_a", ("b_c", "d"), ("x:*",))
    assert (found.exports, found.versions) == (("e",), {"f": 1})
    assert (found.signed, found.signature) == (data, b"PKCS")

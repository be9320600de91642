"""What our reader says of ELF files is what pyelftools and readelf say."""

import io
import re
from collections.abc import Iterator

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

from sysextlib.base import open_base
from sysextlib.check.elf_file import MAGIC, ElfFile, read_elf
from sysextlib.system.run import run
from sysextlib.tree import Kind
from tests.builders.demo import demo_board
from tests.builders.elf import elf
from tests.builders.needs import require_tool

pytestmark = pytest.mark.oracle
WEAK = 2


def ours(data: bytes) -> ElfFile | None:
    return read_elf(lambda offset, size: data[offset : offset + size])


def theirs(data: bytes) -> ElfFile | None:
    """Return what pyelftools says, versions by its sections and not by the dynamic segment."""
    file = ELFFile(io.BytesIO(data))
    if file["e_type"] not in {"ET_EXEC", "ET_DYN"}:
        return None
    dynamic = [seg for seg in file.iter_segments() if isinstance(seg, DynamicSegment)]
    tags = [tag for segment in dynamic for tag in segment.iter_tags()]
    interpreter = [seg for seg in file.iter_segments() if seg["p_type"] == "PT_INTERP"]
    sections = list(file.iter_sections())
    return ElfFile(
        machine={"EM_X86_64": 62, "EM_AARCH64": 183}[file["e_machine"]],
        interpreter=interpreter[0].get_interp_name() if interpreter else "",
        needed=tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
        soname=next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), ""),
        rpath=folders(tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"),
        runpath=folders(tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"),
        versions_needed=tuple(
            (need.name, aux.name)
            for section in sections
            if isinstance(section, GNUVerNeedSection)
            for need, auxiliaries in section.iter_versions()
            for aux in auxiliaries
            if not aux["vna_flags"] & WEAK
        ),
        versions=frozenset(
            next(auxiliaries).name
            for section in sections
            if isinstance(section, GNUVerDefSection)
            for _, auxiliaries in section.iter_versions()
        ),
    )


def folders(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(part for text in texts for part in text.split(":"))


@pytest.mark.demo
def test_every_elf_file_of_a_real_system_is_read_alike():
    seen = with_versions = 0
    with open_base(demo_board().image) as base:
        for entry in base.tree:
            if entry.kind is not Kind.FILE or entry.path.endswith((".ko", ".ko.xz")):
                continue
            data = base.read(entry.path) if 64 <= entry.size < 32 << 20 else None
            if data and data.startswith(MAGIC):
                assert ours(data) == theirs(data), entry.path
                seen += 1
                with_versions += bool((found := ours(data)) and found.versions_needed)
    assert seen > 300
    assert with_versions > 200


def test_the_builder_s_files_are_what_readelf_takes_them_for(tmp_path):
    require_tool("readelf")
    file = tmp_path / "x.so"
    file.write_bytes(elf(needed=["a", "b"], soname="x", runpath="/r", interpreter="/lib/ld.so"))
    done = run(["readelf", "--wide", "-ld", "--use-dynamic", file])
    text = done.stdout.decode()
    assert done.stderr == b""
    assert re.findall(r"Shared library: \[(.*)\]", text) == ["a", "b"]
    assert re.findall(r"soname: \[(.*)\]", text) == ["x"]
    assert re.findall(r"runpath: \[(.*)\]", text) == ["/r"]
    assert re.findall(r"interpreter: (.*)\]", text) == ["/lib/ld.so"]

"""--strip_binaries: take symbol tables and debug information out of ELF files.

Upstream runs CHOST-strip on everything that file(1) calls "not stripped". That ruins object files,
kernel modules among them: without their symbol table they cannot be linked, and strip drops the
signature at the end of a module. So of an object file only the debug information goes, and a
signed module stays as it is.
"""

from __future__ import annotations

import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from sysextlib.edit.changes import Change, Edited
from sysextlib.edit.layout import file_content
from sysextlib.errors import EditError, MissingToolError, ToolError
from sysextlib.gentoo.arch import Arch
from sysextlib.system.run import ENVIRONMENT, run
from sysextlib.tree import CHUNK, Content, Entry, Kind, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sysextlib.system.tools import Tools

SIGNATURE_END = b"~Module signature appended~\n"  # MODULE_SIG_STRING of linux/module_signature.h
SHT_SYMTAB = 2  # gABI chapter 4; a file without such a section is what file(1) calls stripped
_STRIP = {Arch.AMD64: "x86_64-linux-gnu-strip", Arch.ARM64: "aarch64-linux-gnu-strip"}
LARGEST_TABLE = 1 << 24  # bytes of a section header table that are looked at


def strip_argv(chost: str, arch: Arch, tools: Tools) -> tuple[str, ...]:
    """Return the words that start strip(1) for a board: its toolchain's, or else our tools'.

    :param chost: the board's triplet; CHOST-strip is looked for where programs are.
    :raises MissingToolError: there is neither.
    """
    own = shutil.which(f"{chost}-strip", path=ENVIRONMENT["PATH"])
    return (own,) if own else tools.argv(_STRIP[arch])


def strip_binaries(tree: Tree, strip: Sequence[str], scratch: Path, *, jobs: int) -> Edited:
    """Strip every ELF file that has a symbol table; links to one file stay links.

    :param strip: the words that start strip(1) for the board.
    :param scratch: a folder of this call alone; new contents stay in it, so it must outlive the
        tree that is returned.
    :raises EditError: strip refused a file.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    log: list[Change] = []
    orders: dict[str, list[Entry]] = {}
    for entry in tree:
        if entry.kind is not Kind.FILE or entry.content is None or not has_symbols(entry.content):
            continue
        if _slice(entry.content, entry.content.size - len(SIGNATURE_END)) == SIGNATURE_END:
            log.append(Change(entry.path, "strip", "left as it is: a signed kernel module"))
        else:
            orders.setdefault(entry.content.sha256, []).append(entry)

    def work(number: int, entry: Entry) -> Content:
        return _stripped(entry, strip, scratch / str(number))

    files = list(orders.values())
    with ThreadPoolExecutor(jobs) as pool:
        contents = list(pool.map(work, range(len(files)), (same[0] for same in files)))
    changed = []
    for same, content in zip(files, contents, strict=True):
        for entry in same:
            detail = f"{_what(entry)}: {entry.size} -> {content.size} bytes"
            log.append(Change(entry.path, "strip", detail))
            changed.append(replace(entry, content=content))
    return Edited(tree.updated(changed), tuple(sorted(log, key=lambda change: change.path)))


def has_symbols(content: Content) -> bool:
    """Tell whether a file is ELF with a symbol table; a damaged one has none.

    Source of the layout: System V ABI, chapter 4, for both classes and byte orders.
    """
    head = _slice(content, 0, 64)
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in {1, 2} or head[5] not in {1, 2}:
        return False
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    if wide and len(head) < 64:
        return False
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 40 if wide else 32)
    size, count = struct.unpack_from(order + "HH", head, 58 if wide else 46)
    if table == 0 or size < (64 if wide else 40):
        return False
    if count == 0:  # then the first header's sh_size holds it
        first = _slice(content, table, size)
        if len(first) < size:
            return False
        (count,) = struct.unpack_from(order + ("Q" if wide else "I"), first, 32 if wide else 20)
    headers = _slice(content, table, min(size * count, LARGEST_TABLE))
    types = (
        struct.unpack_from(order + "I", headers, at + 4)[0]
        for at in range(0, len(headers) - size + 1, size)
    )
    return SHT_SYMTAB in types


def _is_object(content: Content) -> bool:
    """Tell whether an ELF file is an object file, of type ET_REL, to be linked by its symbols."""
    return _slice(content, 16, 2) in {b"\1\0", b"\0\1"}


def _what(entry: Entry) -> str:
    assert entry.content is not None
    return "debug information of an object file" if _is_object(entry.content) else "symbols"


def _stripped(entry: Entry, strip: Sequence[str], place: Path) -> Content:
    """Return the content of an entry after strip(1)."""
    source, result = place.with_suffix(".in"), place.with_suffix(".out")
    assert entry.content is not None
    with source.open("wb") as stream:
        for chunk in entry.content.chunks():
            stream.write(chunk)
    options = ["--strip-debug"] if _is_object(entry.content) else []
    try:
        run([*strip, *options, "-o", result, source])
    except MissingToolError:
        raise
    except ToolError as error:
        raise EditError(f"{entry.path} cannot be stripped", error.facts, error.hint) from error
    source.unlink()
    return file_content(result)


def _slice(content: Content, offset: int, size: int = CHUNK) -> bytes:
    """Return at most ``size`` bytes of a content from ``offset`` on; fewer at its end."""
    offset = max(0, offset)
    size = max(0, min(size, content.size - offset))
    if content.data is not None:
        return content.data[offset : offset + size]
    assert content.spool is not None
    with content.spool.open("rb") as stream:
        stream.seek(content.offset + offset)
        return stream.read(size)

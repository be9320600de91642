"""Whether kernel modules fit the base's kernel: version, symbols and signature."""

from __future__ import annotations

import lzma
import re
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sysextlib.errors import SysextError
from sysextlib.findings import Finding, Severity
from sysextlib.kernel_module import (
    MODULE_NAME,
    MODULES,
    KernelModule,
    ModuleFormatError,
    kernel_name,
    module_name,
    read_module,
)
from sysextlib.system.run import run
from sysextlib.tree import Entry, Kind, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SAMPLE = 16  # of the base's modules are read; each has the kernel's vermagic and some CRCs
LARGEST_SAMPLE = 8 << 20  # bytes of one of them
LARGEST_SYMVERS = 64 << 20
SHOWN = 5  # symbols that a finding names
SYMVERS = (
    f"{MODULES}/{{}}/build/Module.symvers",
    f"{MODULES}/{{}}/Module.symvers",
    f"{MODULES}/{{}}/symvers.xz",
    f"{MODULES}/{{}}/symvers.gz",
    "usr/src/linux-headers-{}/Module.symvers",
    "usr/src/linux/Module.symvers",
)
_LINE = re.compile(r"0x([0-9a-fA-F]{1,16})\t([^\t]+)\t", re.ASCII)


class BaseModules(Protocol):
    """What is asked of a base."""

    @property
    def tree(self) -> Tree:
        """All entries of /usr."""

    def read(self, path: str) -> bytes | None:
        """Return a file, None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What a base tells of one kernel.

    :param vermagic: of its own modules; "" when it has none.
    :param crcs: by symbol, as far as they are known.
    :param complete: whether ``crcs`` has every symbol: they are Module.symvers'.
    :param signed: whether its own modules are.
    :param names: of all its modules.
    """

    vermagic: str
    crcs: Mapping[str, int]
    complete: bool
    signed: bool
    names: frozenset[str]


def check_kernel_modules(tree: Tree, base: BaseModules, key: Path | None) -> tuple[Finding, ...]:
    """Return a finding for each module that the base's kernel would refuse to load.

    :param key: certificate (PEM) of the key that must have signed them; None asks for none, and
        an unsigned module is a warning where the base's own are signed.
    :raises ToolError: openssl is absent.
    """
    found = [entry for entry in tree if _is_module(entry)]
    kernels = {version: read_kernel(base, version) for version in {e.parts[3] for e in found}}
    read: list[tuple[Entry, KernelModule]] = []
    findings: list[Finding] = []
    for entry in found:
        assert entry.content is not None
        try:
            read.append((entry, read_module(entry.content.read(), entry.name)))
        except ModuleFormatError as error:
            findings.append(Finding("kernel-module-format", entry.path, str(error)))
    ours = {module.name for _, module in read}
    exported = {symbol for _, module in read for symbol in module.exports}
    for entry, module in read:
        kernel = kernels[entry.parts[3]]
        findings += _version(entry, module, kernel)
        findings += _symbols(entry, module, kernel, exported)
        missing = [name for name in module.depends if name not in ours | kernel.names]
        if missing and kernel.names:
            said = f"it needs {', '.join(missing)}, which neither base nor packages have"
            findings.append(Finding("kernel-module-depends", entry.path, said))
        findings += _signature(entry, module, kernel, key)
    return tuple(findings)


def read_kernel(base: BaseModules, version: str) -> Kernel:
    """Learn of a kernel from Module.symvers where the base has it, and from its modules."""
    below = f"{MODULES}/{version}/"
    entries = [e for e in base.tree if e.path.startswith(below) and _is_module(e)]
    read = [module for entry in _sample(entries) for module in _read(base, entry)]
    crcs: dict[str, int] = {}
    for module in read:
        crcs |= module.versions
    symvers = _symvers(base, version)
    return Kernel(
        vermagic=next((module.vermagic for module in read), ""),
        crcs=symvers or crcs,
        complete=bool(symvers),
        signed=bool(read) and all(module.signature is not None for module in read),
        names=frozenset(kernel_name(module_name(entry.name)) for entry in entries),
    )


def _is_module(entry: Entry) -> bool:
    return (
        entry.kind is Kind.FILE
        and entry.path.startswith(MODULES + "/")
        and len(entry.parts) > 4
        and MODULE_NAME.fullmatch(entry.name) is not None
    )


def _sample(entries: Sequence[Entry]) -> list[Entry]:
    """Return some modules from all over the folder, none of them large."""
    small = [entry for entry in entries if entry.size <= LARGEST_SAMPLE]
    step = max(1, len(small) // SAMPLE)
    return small[::step][:SAMPLE]


def _read(base: BaseModules, entry: Entry) -> Iterator[KernelModule]:
    try:
        data = base.read(entry.path)
        if data is not None:
            yield read_module(data, entry.name)
    except (ModuleFormatError, SysextError):
        return  # the base is not ours to judge


def _symvers(base: BaseModules, version: str) -> dict[str, int]:
    for place in SYMVERS:
        path = place.format(version)
        data = base.read(path)
        if data is None:
            continue
        try:
            if path.endswith(".xz"):
                data = lzma.LZMADecompressor().decompress(data, LARGEST_SYMVERS)
            elif path.endswith(".gz"):
                data = zlib.decompressobj(wbits=31).decompress(data, LARGEST_SYMVERS)
        except (lzma.LZMAError, zlib.error):
            continue
        lines = data.decode("ascii", "replace").splitlines()
        found = [match for line in lines if (match := _LINE.match(line))]
        return {match[2]: int(match[1], 16) for match in found}
    return {}


def _version(entry: Entry, module: KernelModule, kernel: Kernel) -> Iterator[Finding]:
    wanted = kernel.vermagic or entry.parts[3]
    has = module.vermagic if kernel.vermagic else module.vermagic.partition(" ")[0]
    if has != wanted:
        said = f"it is for kernel {has!r}, the base's is {wanted!r}"
        yield Finding("kernel-module-vermagic", entry.path, said)


def _symbols(
    entry: Entry, module: KernelModule, kernel: Kernel, exported: set[str]
) -> Iterator[Finding]:
    crcs = kernel.crcs
    wrong = [
        f"{symbol}: 0x{crc:08x}, the base's is 0x{crcs[symbol]:08x}"
        for symbol, crc in sorted(module.versions.items())
        if symbol in crcs and crcs[symbol] != crc
    ]
    if kernel.complete:
        wrong += [
            f"{symbol}: the base's kernel does not have it"
            for symbol in sorted(module.versions.keys() - crcs.keys() - exported)
        ]
    if wrong:
        more = f"\nand {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        said = "it was built against other symbols than the base's kernel has\n"
        yield Finding("kernel-module-symbols", entry.path, said + "\n".join(wrong[:SHOWN]) + more)


def _signature(
    entry: Entry, module: KernelModule, kernel: Kernel, key: Path | None
) -> Iterator[Finding]:
    if module.signature is None:
        if key is not None:
            yield Finding("kernel-module-signature", entry.path, "it is not signed")
        elif kernel.signed:
            yield Finding(
                "kernel-module-unsigned",
                entry.path,
                "it is not signed, and the base's modules are; a locked-down kernel refuses it",
                Severity.WARNING,
            )
    elif key is not None:
        reason = _refused(module.signed, module.signature, key)
        if reason:
            yield Finding("kernel-module-signature", entry.path, reason)


def _refused(signed: bytes, signature: bytes, key: Path) -> str:
    """Return why a signature is not the key's, "" when it is."""
    with tempfile.TemporaryDirectory(prefix="module-") as scratch:
        content, pkcs7 = Path(scratch) / "content", Path(scratch) / "signature"
        content.write_bytes(signed)
        pkcs7.write_bytes(signature)
        argv = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(pkcs7)]
        argv += ["-content", str(content), "-certfile", str(key), "-nointern", "-noverify"]
        done = run([*argv, "-out", "/dev/null"], codes=range(256))
    if done.code == 0:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    said = lines[-1].split(":")[-2:] if lines else ["openssl refuses it"]
    return f"its signature is not that of the key in {key.name}: {' '.join(said).strip()}"

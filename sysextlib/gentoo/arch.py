"""CPU architectures, and how each neighbour of ours spells them."""

from __future__ import annotations

from enum import StrEnum


class Arch(StrEnum):
    """A CPU architecture, spelled as Gentoo's ARCH."""

    AMD64 = "amd64"
    ARM64 = "arm64"

    @property
    def systemd_name(self) -> str:
        """The spelling of ARCHITECTURE= in extension-release (os-release(5))."""
        return {Arch.AMD64: "x86-64", Arch.ARM64: "arm64"}[self]

    @property
    def elf_machine(self) -> int:
        """The e_machine of this architecture's ELF files (elf(5))."""
        return {Arch.AMD64: 62, Arch.ARM64: 183}[self]

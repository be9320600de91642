EAPI=8

DEBS="libelf1t64"
inherit deb

DESCRIPTION="Library to read and write ELF files"
HOMEPAGE="https://sourceware.org/elfutils/"
LICENSE="LGPL-3+"
SLOT="0"

RDEPEND="
	app-arch/zstd:0=
	sys-libs/glibc
	sys-libs/zlib:0=
"

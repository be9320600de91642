EAPI=8

DEBS="libbpf1"
inherit deb

DESCRIPTION="EBPF helper library (shared library)"
HOMEPAGE="https://packages.debian.org/trixie/libbpf1"
LICENSE="LGPL-2.1"
SLOT="0/1"

RDEPEND="
	dev-libs/elfutils
	sys-libs/glibc
	sys-libs/zlib:0=
"

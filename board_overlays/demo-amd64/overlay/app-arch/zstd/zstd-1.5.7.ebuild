EAPI=8

DEBS="zstd libzstd1"
inherit deb

DESCRIPTION="Fast lossless compression algorithm -- CLI tool"
HOMEPAGE="https://github.com/facebook/zstd"
LICENSE="BSD"
SLOT="0/1"

RDEPEND="
	app-arch/lz4:0=
	app-arch/xz-utils
	sys-libs/gcc-libs:0=
	sys-libs/glibc
	sys-libs/zlib:0=
"

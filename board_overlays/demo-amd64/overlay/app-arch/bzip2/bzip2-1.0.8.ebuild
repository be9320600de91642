EAPI=8

DEBS="bzip2 libbz2-1.0"
inherit deb

DESCRIPTION="High-quality block-sorting file compressor - utilities"
HOMEPAGE="https://sourceware.org/bzip2/"
LICENSE="bzip2"
SLOT="0/1"

RDEPEND="sys-libs/glibc"

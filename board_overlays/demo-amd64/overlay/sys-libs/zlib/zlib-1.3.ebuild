EAPI=8

DEBS="zlib1g"
inherit deb

DESCRIPTION="Compression library - runtime"
HOMEPAGE="http://zlib.net/"
LICENSE="ZLIB"
SLOT="0/1"

RDEPEND="sys-libs/glibc"

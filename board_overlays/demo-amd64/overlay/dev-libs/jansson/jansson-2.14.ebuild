EAPI=8

DEBS="libjansson4"
inherit deb

DESCRIPTION="C library for encoding, decoding and manipulating JSON data"
HOMEPAGE="http://www.digip.org/jansson/"
LICENSE="MIT"
SLOT="0/4"

RDEPEND="sys-libs/glibc"

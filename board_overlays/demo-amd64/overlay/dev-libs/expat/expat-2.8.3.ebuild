EAPI=8

DEBS="libexpat1"
inherit deb

DESCRIPTION="XML parsing C library - runtime library"
HOMEPAGE="https://libexpat.github.io/"
LICENSE="MIT"
SLOT="0"

RDEPEND="sys-libs/glibc"

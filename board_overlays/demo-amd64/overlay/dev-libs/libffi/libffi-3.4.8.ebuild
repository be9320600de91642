EAPI=8

DEBS="libffi8"
inherit deb

DESCRIPTION="Foreign Function Interface library runtime"
HOMEPAGE="https://sourceware.org/libffi/"
LICENSE="MIT"
SLOT="0/8"

RDEPEND="sys-libs/glibc"

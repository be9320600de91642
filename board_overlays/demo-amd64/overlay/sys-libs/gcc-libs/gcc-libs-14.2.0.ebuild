EAPI=8

DEBS="libgcc-s1 libstdc++6 libatomic1"
inherit deb

DESCRIPTION="GCC support library"
HOMEPAGE="http://gcc.gnu.org/"
LICENSE="GPL-3-with-gcc-exception"
SLOT="0/14"

RDEPEND="sys-libs/glibc"

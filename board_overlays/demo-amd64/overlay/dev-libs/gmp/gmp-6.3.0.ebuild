EAPI=8

DEBS="libgmp10"
inherit deb

DESCRIPTION="Multiprecision arithmetic library"
HOMEPAGE="https://gmplib.org/"
LICENSE="LGPL-3+"
SLOT="0/10"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="libidn2-0 libunistring5"
inherit deb

DESCRIPTION="Internationalized domain names (IDNA2008/TR46) library"
HOMEPAGE="https://www.gnu.org/software/libidn/#libidn2"
LICENSE="LGPL-3+"
SLOT="0/2"

RDEPEND="sys-libs/glibc"

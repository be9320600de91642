EAPI=8

DEBS="libcrypt1"
inherit deb

DESCRIPTION="Libcrypt shared library"
HOMEPAGE="https://packages.debian.org/trixie/libcrypt1"
LICENSE="LGPL-2.1+"
SLOT="0/1"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="xz-utils liblzma5"
inherit deb

DESCRIPTION="XZ-format compression utilities"
HOMEPAGE="https://tukaani.org/xz/"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

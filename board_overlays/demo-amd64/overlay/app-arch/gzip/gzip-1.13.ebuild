EAPI=8

DEBS="gzip"
inherit deb

DESCRIPTION="GNU compression utilities"
HOMEPAGE="https://www.gnu.org/software/gzip/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="sys-libs/glibc"

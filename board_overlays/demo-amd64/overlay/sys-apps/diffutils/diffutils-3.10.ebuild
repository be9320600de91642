EAPI=8

DEBS="diffutils"
inherit deb

DESCRIPTION="File comparison utilities"
HOMEPAGE="https://www.gnu.org/software/diffutils/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="sys-libs/glibc"

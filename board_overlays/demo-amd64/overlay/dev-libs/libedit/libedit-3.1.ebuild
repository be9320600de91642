EAPI=8

DEBS="libedit2 libbsd0 libmd0"
inherit deb

DESCRIPTION="BSD editline and history libraries"
HOMEPAGE="https://www.thrysoee.dk/editline/"
LICENSE="BSD"
SLOT="0"

RDEPEND="
	sys-libs/glibc
	sys-libs/ncurses:0=
"

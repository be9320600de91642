EAPI=8

DEBS="libreadline8t64 readline-common"
inherit deb

DESCRIPTION="GNU readline and history libraries, run-time libraries"
HOMEPAGE="https://tiswww.case.edu/php/chet/readline/rltop.html"
LICENSE="GPL-3+"
SLOT="0/8"

RDEPEND="
	sys-libs/glibc
	sys-libs/ncurses:0=
"

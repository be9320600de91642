EAPI=8

DEBS="bash"
inherit deb

DESCRIPTION="GNU Bourne Again SHell"
HOMEPAGE="http://tiswww.case.edu/php/chet/bash/bashtop.html"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	sys-apps/baselayout
	sys-libs/glibc
	sys-libs/ncurses:0=
"

src_install() {
	deb_src_install
	dosym bash /usr/bin/sh
	deb_clamp
}

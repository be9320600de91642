EAPI=8

DEBS="less"
inherit deb

DESCRIPTION="Pager program similar to more"
HOMEPAGE="http://www.greenwoodsoftware.com/less/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	sys-libs/glibc
	sys-libs/ncurses:0=
"

src_install() {
	deb_src_install
	dosym less /usr/bin/pager
	deb_clamp
}

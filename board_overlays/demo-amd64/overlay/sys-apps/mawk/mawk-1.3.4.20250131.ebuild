EAPI=8

DEBS="mawk"
inherit deb

DESCRIPTION="Pattern scanning and text processing language"
HOMEPAGE="https://invisible-island.net/mawk/"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="sys-libs/glibc"

src_install() {
	deb_src_install
	dosym mawk /usr/bin/awk
	deb_clamp
}

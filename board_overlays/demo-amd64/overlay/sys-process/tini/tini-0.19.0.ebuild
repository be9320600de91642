EAPI=8

DEBS="tini"
inherit deb

DESCRIPTION="Tiny but valid init for containers"
HOMEPAGE="https://github.com/krallin/tini"
LICENSE="MIT"
SLOT="0"
IUSE="+static"

RDEPEND="sys-libs/glibc"

src_install() {
	deb_src_install
	use static || deb_remove usr/bin/tini-static
	deb_clamp
}

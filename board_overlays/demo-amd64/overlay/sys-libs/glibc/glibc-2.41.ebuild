EAPI=8

DEBS="libc6 libc-bin"
inherit deb

DESCRIPTION="GNU C Library: Shared libraries"
HOMEPAGE="https://www.gnu.org/software/libc/libc.html"
LICENSE="LGPL-2.1+"
SLOT="2.2"

RDEPEND="sys-apps/baselayout"

src_install() {
	deb_src_install
	# env-update makes etc/ld.so.conf of it.
	rm -r "${ED}"/etc/ld.so.conf* || die
	insinto /etc/env.d
	doins "${FILESDIR}/00glibc"
	deb_clamp
}

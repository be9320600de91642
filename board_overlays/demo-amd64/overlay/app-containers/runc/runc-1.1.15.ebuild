EAPI=8

DEBS="runc"
inherit deb

DESCRIPTION="Open Container Project - runtime"
HOMEPAGE="https://github.com/opencontainers/runc"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="+seccomp"

RDEPEND="
	sys-libs/glibc
	seccomp? ( sys-libs/libseccomp:0= )
	!app-containers/runc-bin
"

src_install() {
	# On Gentoo it is usr/bin/runc; Debian has a link there.
	mkdir -p usr/bin && mv usr/sbin/runc usr/bin/runc && rmdir usr/sbin || die
	deb_src_install
}

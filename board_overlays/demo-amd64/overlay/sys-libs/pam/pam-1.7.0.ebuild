EAPI=8

DEBS="libpam0g libpam-modules libpam-modules-bin libpam-runtime"
inherit deb

DESCRIPTION="Pluggable Authentication Modules library"
HOMEPAGE="http://www.linux-pam.org/"
LICENSE="BSD"
SLOT="0"

RDEPEND="
	sys-apps/systemd
	sys-libs/db:5.3
	sys-libs/glibc
	sys-libs/libselinux:0=
	virtual/libcrypt:=
	sys-process/audit:0=
"

src_install() {
	deb_src_install
	insinto /etc/pam.d
	doins "${FILESDIR}"/common-*
	deb_clamp
}

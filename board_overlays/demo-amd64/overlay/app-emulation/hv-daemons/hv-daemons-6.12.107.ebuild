EAPI=8

DEBS="hyperv-daemons"
inherit deb

DESCRIPTION="Daemons of guests of Hyper-V"
HOMEPAGE="https://www.kernel.org"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	sys-apps/systemd
	sys-libs/glibc
	virtual/udev
"

src_install() {
	deb_src_install
	# They start the daemons when a device appears; a target does so here.
	deb_remove usr/lib/udev
	deb_enable multi-user.target hv-kvp-daemon.service hv-vss-daemon.service
	deb_clamp
}

EAPI=8

DEBS="pciutils libpci3"
inherit deb

DESCRIPTION="PCI utilities"
HOMEPAGE="https://mj.ucw.cz/sw/pciutils/"
LICENSE="GPL-2"
SLOT="0/3"

RDEPEND="
	sys-apps/hwdata
	sys-apps/kmod
	sys-apps/systemd
	sys-libs/glibc
	sys-libs/zlib:0=
"

src_install() {
	deb_src_install
	deb_remove usr/sbin/update-pciids
	deb_clamp
}

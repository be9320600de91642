EAPI=8

DEBS="dmsetup libdevmapper1.02.1"
inherit deb

DESCRIPTION="Linux Kernel Device Mapper userspace library"
HOMEPAGE="https://sourceware.org/lvm2/"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	sys-apps/systemd
	sys-libs/glibc
	sys-libs/libselinux:0=
"

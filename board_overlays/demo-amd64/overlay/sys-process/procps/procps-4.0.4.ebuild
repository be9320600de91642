EAPI=8

DEBS="procps libproc2-0"
inherit deb

DESCRIPTION="/proc file system utilities"
HOMEPAGE="https://gitlab.com/procps-ng/procps"
LICENSE="GPL-2"
SLOT="0/1"

RDEPEND="
	sys-apps/systemd
	sys-libs/glibc
	sys-libs/ncurses:0=
"

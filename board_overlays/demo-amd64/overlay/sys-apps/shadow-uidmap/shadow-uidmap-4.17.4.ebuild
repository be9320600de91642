EAPI=8

DEBS="uidmap"
inherit deb

DESCRIPTION="Newuidmap and newgidmap, setuid root"
HOMEPAGE="https://github.com/shadow-maint/shadow"
LICENSE="BSD"
SLOT="0"

RDEPEND="
	dev-libs/libedit
	sys-apps/shadow:0=
	sys-libs/glibc
	sys-libs/libselinux:0=
	sys-process/audit:0=
"

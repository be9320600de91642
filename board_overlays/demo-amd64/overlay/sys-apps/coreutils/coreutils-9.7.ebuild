EAPI=8

DEBS="coreutils"
inherit deb

DESCRIPTION="GNU core utilities"
HOMEPAGE="https://gnu.org/software/coreutils"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	dev-libs/gmp:0=
	dev-libs/openssl:0=
	sys-apps/acl
	sys-apps/attr
	sys-apps/systemd
	sys-libs/glibc
	sys-libs/libcap
	sys-libs/libselinux:0=
"

EAPI=8

DEBS="sed"
inherit deb

DESCRIPTION="GNU stream editor for filtering/transforming text"
HOMEPAGE="https://www.gnu.org/software/sed/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	sys-apps/acl
	sys-libs/glibc
	sys-libs/libselinux:0=
"

EAPI=8

DEBS="tar"
inherit deb

DESCRIPTION="GNU version of the tar archiving utility"
HOMEPAGE="https://www.gnu.org/software/tar/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	sys-apps/acl
	sys-libs/glibc
	sys-libs/libselinux:0=
"

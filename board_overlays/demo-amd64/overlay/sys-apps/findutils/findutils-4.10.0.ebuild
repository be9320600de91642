EAPI=8

DEBS="findutils"
inherit deb

DESCRIPTION="Utilities for finding files--find, xargs"
HOMEPAGE="https://savannah.gnu.org/projects/findutils/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	sys-libs/glibc
	sys-libs/libselinux:0=
"

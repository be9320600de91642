EAPI=8

DEBS="policycoreutils semodule-utils"
inherit deb

DESCRIPTION="SELinux core policy utilities"
HOMEPAGE="https://selinuxproject.org"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	sys-libs/glibc
	sys-libs/libselinux:0=
	sys-libs/libsemanage:0=
	sys-libs/libsepol:0=
	sys-process/audit:0=
"

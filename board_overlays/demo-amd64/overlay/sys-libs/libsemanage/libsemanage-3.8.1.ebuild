EAPI=8

DEBS="libsemanage2 libsemanage-common"
inherit deb

DESCRIPTION="SELinux policy management library"
HOMEPAGE="https://selinuxproject.org"
LICENSE="LGPL-2.1+"
SLOT="0/2"

RDEPEND="
	app-arch/bzip2:0=
	sys-libs/glibc
	sys-libs/libselinux:0=
	sys-libs/libsepol:0=
	sys-process/audit:0=
"

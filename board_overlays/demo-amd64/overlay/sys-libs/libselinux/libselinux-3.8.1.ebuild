EAPI=8

DEBS="libselinux1 selinux-utils"
inherit deb

DESCRIPTION="SELinux runtime shared libraries"
HOMEPAGE="https://github.com/SELinuxProject"
LICENSE="public-domain"
SLOT="0/1"

RDEPEND="
	dev-libs/libpcre2:0=
	sys-libs/glibc
	sys-libs/libsepol:0=
"

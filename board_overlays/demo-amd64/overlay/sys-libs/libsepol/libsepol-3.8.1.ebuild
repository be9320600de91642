EAPI=8

DEBS="libsepol2"
inherit deb

DESCRIPTION="SELinux library for manipulating binary security policies"
HOMEPAGE="https://selinuxproject.org"
LICENSE="LGPL-2.1+"
SLOT="0/2"

RDEPEND="sys-libs/glibc"

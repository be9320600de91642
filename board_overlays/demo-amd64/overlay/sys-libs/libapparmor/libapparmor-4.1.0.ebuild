EAPI=8

DEBS="libapparmor1"
inherit deb

DESCRIPTION="Changehat AppArmor library"
HOMEPAGE="https://apparmor.net/"
LICENSE="LGPL-2.1"
SLOT="0"

RDEPEND="sys-libs/glibc"

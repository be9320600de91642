EAPI=8

DEBS="libpopt0"
inherit deb

DESCRIPTION="Lib for parsing cmdline parameters"
HOMEPAGE="https://github.com/rpm-software-management/popt"
LICENSE="MIT"
SLOT="0"

RDEPEND="sys-libs/glibc"

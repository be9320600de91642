EAPI=8

DEBS="hostname"
inherit deb

DESCRIPTION="Utility to set/show the host name or domain name"
HOMEPAGE="https://packages.debian.org/trixie/hostname"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="kmod libkmod2"
inherit deb

DESCRIPTION="Tools for managing Linux kernel modules"
HOMEPAGE="https://packages.debian.org/trixie/kmod"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="
	dev-libs/openssl:0=
	sys-libs/glibc
"

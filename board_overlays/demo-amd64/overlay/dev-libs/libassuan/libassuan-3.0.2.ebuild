EAPI=8

DEBS="libassuan9"
inherit deb

DESCRIPTION="IPC library for the GnuPG components"
HOMEPAGE="https://www.gnupg.org/related_software/libassuan/index.html"
LICENSE="LGPL-2.1+"
SLOT="0/9"

RDEPEND="
	dev-libs/libgpg-error
	sys-libs/glibc
"

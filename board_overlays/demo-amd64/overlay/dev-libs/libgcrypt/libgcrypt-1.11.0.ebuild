EAPI=8

DEBS="libgcrypt20"
inherit deb

DESCRIPTION="LGPL Crypto library - runtime library"
HOMEPAGE="https://gnupg.org/software/libgcrypt/"
LICENSE="LGPL-2.1+"
SLOT="0/20"

RDEPEND="
	dev-libs/libgpg-error
	sys-libs/glibc
"

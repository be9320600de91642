EAPI=8

DEBS="libksba8"
inherit deb

DESCRIPTION="X.509 and CMS support library"
HOMEPAGE="https://www.gnupg.org/related_software/libksba/"
LICENSE="LGPL-3+"
SLOT="0"

RDEPEND="
	dev-libs/libgpg-error
	sys-libs/glibc
"

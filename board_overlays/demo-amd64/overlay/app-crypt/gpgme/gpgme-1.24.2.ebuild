EAPI=8

DEBS="libgpgme11t64"
inherit deb

DESCRIPTION="GPGME - GnuPG Made Easy (library)"
HOMEPAGE="https://gnupg.org/software/gpgme/"
LICENSE="LGPL-2.1+"
SLOT="1/11"

RDEPEND="
	app-crypt/gnupg
	dev-libs/libassuan:0=
	dev-libs/libgpg-error
	sys-libs/glibc
"

EAPI=8

DEBS="libgpg-error0"
inherit deb

DESCRIPTION="GnuPG development runtime library"
HOMEPAGE="https://www.gnupg.org/related_software/libgpg-error/"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

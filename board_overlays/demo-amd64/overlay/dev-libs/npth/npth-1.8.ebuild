EAPI=8

DEBS="libnpth0t64"
inherit deb

DESCRIPTION="Replacement for GNU Pth using system threads"
HOMEPAGE="https://www.gnupg.org/"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="pinentry-curses"
inherit deb

DESCRIPTION="Curses-based PIN or pass-phrase entry dialog for GnuPG"
HOMEPAGE="https://www.gnupg.org/related_software/pinentry/"
LICENSE="GPL-2+"
SLOT="0"

RDEPEND="
	dev-libs/libassuan:0=
	dev-libs/libgpg-error
	sys-libs/glibc
	sys-libs/ncurses:0=
"

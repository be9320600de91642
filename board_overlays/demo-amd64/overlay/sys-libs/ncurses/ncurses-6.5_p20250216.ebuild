EAPI=8

DEBS="libtinfo6 libncursesw6 ncurses-base ncurses-bin"
inherit deb

DESCRIPTION="Shared low-level terminfo library for terminal handling"
HOMEPAGE="https://invisible-island.net/ncurses/"
LICENSE="MIT"
SLOT="0/6"

RDEPEND="sys-libs/glibc"

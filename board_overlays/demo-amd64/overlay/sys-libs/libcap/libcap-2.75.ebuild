EAPI=8

DEBS="libcap2 libcap2-bin"
inherit deb

DESCRIPTION="POSIX 1003.1e capabilities (library)"
HOMEPAGE="https://sites.google.com/site/fullycapable/"
LICENSE="BSD"
SLOT="0"

RDEPEND="sys-libs/glibc"

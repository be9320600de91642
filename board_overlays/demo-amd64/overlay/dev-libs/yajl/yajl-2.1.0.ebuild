EAPI=8

# With headers and a static library, as packages of Gentoo come.
DEBS="libyajl2 libyajl-dev"
inherit deb

DESCRIPTION="Yet Another JSON Library"
HOMEPAGE="https://lloyd.github.io/yajl/"
LICENSE="ISC"
SLOT="0/2"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="libnettle8t64 libhogweed6t64"
inherit deb

DESCRIPTION="Low level cryptographic library (symmetric and one-way cryptos)"
HOMEPAGE="https://www.lysator.liu.se/~nisse/nettle/"
LICENSE="LGPL-3+"
SLOT="0/8"

RDEPEND="
	dev-libs/gmp:0=
	sys-libs/glibc
"

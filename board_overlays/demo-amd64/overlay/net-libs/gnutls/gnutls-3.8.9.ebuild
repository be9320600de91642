EAPI=8

DEBS="libgnutls30t64 libtasn1-6 libp11-kit0"
inherit deb

DESCRIPTION="GNU TLS library - main runtime library"
HOMEPAGE="https://www.gnutls.org/"
LICENSE="LGPL-2.1+"
SLOT="0/30"

RDEPEND="
	dev-libs/gmp:0=
	dev-libs/libffi:0=
	dev-libs/nettle:0=
	net-dns/libidn2:0=
	sys-libs/glibc
"

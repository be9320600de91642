EAPI=8

DEBS="aardvark-dns"
inherit deb

DESCRIPTION="Container-focused DNS server"
HOMEPAGE="https://github.com/containers/aardvark-dns"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND="
	app-containers/netavark
	sys-libs/gcc-libs:0=
	sys-libs/glibc
"

EAPI=8

DEBS="netavark"
inherit deb

DESCRIPTION="Rust based network stack for containers"
HOMEPAGE="https://github.com/containers/netavark"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND="
	sys-libs/gcc-libs:0=
	sys-libs/glibc
	|| ( net-firewall/nftables net-firewall/iptables )
"
PDEPEND="app-containers/aardvark-dns"

EAPI=8

DEBS="nftables libnftables1"
inherit deb

DESCRIPTION="Program to control packet filtering rules by Netfilter project"
HOMEPAGE="https://www.netfilter.org/"
LICENSE="GPL-2"
SLOT="0/1"

RDEPEND="
	dev-libs/gmp:0=
	dev-libs/jansson:0=
	dev-libs/libedit
	net-firewall/iptables:0=
	net-libs/libmnl
	net-libs/libnftnl:0=
	sys-libs/glibc
"

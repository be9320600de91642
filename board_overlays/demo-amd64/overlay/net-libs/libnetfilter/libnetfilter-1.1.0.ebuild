EAPI=8

DEBS="libnetfilter-conntrack3 libnfnetlink0"
inherit deb

DESCRIPTION="Netfilter netlink-conntrack library"
HOMEPAGE="https://www.netfilter.org/projects/libnetfilter_conntrack/"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	net-libs/libmnl
	sys-libs/glibc
"

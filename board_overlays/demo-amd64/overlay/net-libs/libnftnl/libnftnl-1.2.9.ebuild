EAPI=8

DEBS="libnftnl11"
inherit deb

DESCRIPTION="Netfilter nftables userspace API library"
HOMEPAGE="https://git.netfilter.org/libnftnl"
LICENSE="GPL-2"
SLOT="0/11"

RDEPEND="
	net-libs/libmnl
	sys-libs/glibc
"

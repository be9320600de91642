EAPI=8

DEBS="iptables libip4tc2 libip6tc2 libxtables12"
inherit deb

DESCRIPTION="Administration tools for packet filtering and NAT"
HOMEPAGE="https://www.netfilter.org/"
LICENSE="GPL-2"
SLOT="0/12"
IUSE="+nftables"

RDEPEND="
	net-libs/libmnl
	net-libs/libnetfilter
	net-libs/libnftnl:0=
	sys-apps/baselayout
	sys-libs/glibc
"

# What update-alternatives chooses on Debian: by nftables, or by the kernel's older interface.
src_install() {
	deb_src_install
	local kind=$(usex nftables nft legacy) tool
	for tool in iptables ip6tables; do
		dosym "${tool}-${kind}" "/usr/sbin/${tool}"
		dosym "${tool}-${kind}-restore" "/usr/sbin/${tool}-restore"
		dosym "${tool}-${kind}-save" "/usr/sbin/${tool}-save"
	done
	deb_clamp
}

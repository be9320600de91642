EAPI=8

DEBS="iputils-ping"
FILECAPS=( cap_net_raw usr/bin/ping )
inherit deb fcaps

DESCRIPTION="Tools to test the reachability of network hosts"
HOMEPAGE="https://github.com/iputils/iputils/"
LICENSE="BSD"
SLOT="0"

RDEPEND="
	net-dns/libidn2:0=
	sys-libs/glibc
	sys-libs/libcap
"

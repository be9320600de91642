EAPI=8

DEBS="iproute2"
inherit deb

DESCRIPTION="Networking and traffic control tools"
HOMEPAGE="https://wiki.linuxfoundation.org/networking/iproute2"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	dev-libs/elfutils
	dev-libs/libbpf:0=
	net-firewall/iptables:0=
	net-libs/libmnl
	net-libs/libtirpc:0=
	sys-libs/db:5.3
	sys-libs/glibc
	sys-libs/libcap
	sys-libs/libselinux:0=
"

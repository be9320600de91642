EAPI=8

DEBS="libmnl0"
inherit deb

DESCRIPTION="Minimalistic Netlink communication library"
HOMEPAGE="https://netfilter.org/projects/libmnl/"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

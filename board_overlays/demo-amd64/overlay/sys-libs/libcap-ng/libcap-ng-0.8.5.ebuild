EAPI=8

DEBS="libcap-ng0"
inherit deb

DESCRIPTION="Alternate POSIX capabilities library"
HOMEPAGE="https://people.redhat.com/sgrubb/libcap-ng"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

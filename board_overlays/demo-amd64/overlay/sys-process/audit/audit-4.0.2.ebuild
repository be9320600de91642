EAPI=8

DEBS="libaudit1 libaudit-common"
inherit deb

DESCRIPTION="Dynamic library for security auditing"
HOMEPAGE="https://people.redhat.com/sgrubb/audit/"
LICENSE="LGPL-2.1+"
SLOT="0/1"

RDEPEND="
	sys-libs/glibc
	sys-libs/libcap-ng
"

EAPI=8

DEBS="libacl1 acl"
inherit deb

DESCRIPTION="Access control list - shared library"
HOMEPAGE="https://savannah.nongnu.org/projects/acl/"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

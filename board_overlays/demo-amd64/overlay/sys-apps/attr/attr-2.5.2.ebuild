EAPI=8

DEBS="libattr1 attr"
inherit deb

DESCRIPTION="Extended attribute handling - shared library"
HOMEPAGE="https://savannah.nongnu.org/projects/attr/"
LICENSE="LGPL-2.1+"
SLOT="0"

RDEPEND="sys-libs/glibc"

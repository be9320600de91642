EAPI=8

DEBS="libmspack0t64"
inherit deb

DESCRIPTION="Library for Microsoft compression formats (shared library)"
HOMEPAGE="https://www.cabextract.org.uk/libmspack/"
LICENSE="LGPL-2.1"
SLOT="0"

RDEPEND="sys-libs/glibc"

# As older ebuilds do: /lib64, which the base has as a link to usr/lib64, itself a link.
src_install() {
	deb_src_install
	mv "${ED}/usr/lib64" "${ED}/lib64" || die
	deb_clamp
}

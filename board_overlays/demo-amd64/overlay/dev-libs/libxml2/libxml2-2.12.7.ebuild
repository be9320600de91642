EAPI=8

DEBS="libxml2"
inherit deb

DESCRIPTION="GNOME XML library"
HOMEPAGE="http://xmlsoft.org"
LICENSE="MIT"
SLOT="2/16"

RDEPEND="
	app-arch/xz-utils
	sys-libs/glibc
	sys-libs/zlib:0=
"

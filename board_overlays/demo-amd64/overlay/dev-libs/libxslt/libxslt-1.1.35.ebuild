EAPI=8

DEBS="libxslt1.1"
inherit deb

DESCRIPTION="XSLT 1.0 processing library - runtime library"
HOMEPAGE="https://gitlab.gnome.org/GNOME/libxslt/-/wikis/home"
LICENSE="MIT"
SLOT="0"

RDEPEND="
	dev-libs/libgcrypt:0=
	dev-libs/libxml2:2
	sys-libs/glibc
"

EAPI=8

# With headers and what builds against it, as packages of Gentoo come.
DEBS="libxslt1.1 libxslt1-dev"
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

EAPI=8

DEBS="libglib2.0-0t64"
inherit deb

DESCRIPTION="GLib library of C routines"
HOMEPAGE="https://gitlab.gnome.org/GNOME/glib"
LICENSE="LGPL-2.1+"
SLOT="2"

RDEPEND="
	dev-libs/libffi:0=
	dev-libs/libpcre2:0=
	sys-apps/util-linux
	sys-libs/gcc-libs:0=
	sys-libs/glibc
	sys-libs/libselinux:0=
	sys-libs/zlib:0=
"

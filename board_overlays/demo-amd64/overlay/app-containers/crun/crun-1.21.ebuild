EAPI=8

DEBS="crun"
inherit deb

DESCRIPTION="Lightweight OCI runtime for running containers"
HOMEPAGE="https://github.com/containers/crun"
LICENSE="LGPL-2.1+"
SLOT="0"
IUSE="static-libs"

RDEPEND="
	dev-libs/yajl:0=
	sys-apps/systemd
	sys-libs/glibc
	sys-libs/libcap
	sys-libs/libseccomp:0=
"

src_install() {
	deb_src_install
	use static-libs || deb_remove 'usr/lib64/*.a'
	deb_clamp
}

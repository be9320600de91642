EAPI=8

DEBS="conmon"
inherit deb

DESCRIPTION="OCI container runtime monitor"
HOMEPAGE="https://github.com/containers/conmon"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND="
	dev-libs/glib:2
	sys-apps/systemd
	sys-libs/glibc
"

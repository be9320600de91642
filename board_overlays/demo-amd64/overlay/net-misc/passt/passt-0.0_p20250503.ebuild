EAPI=8

DEBS="passt"
# capabilities: what pasta needs for ports below 1024
FILECAPS=( cap_net_bind_service usr/bin/passt usr/bin/passt.avx2 )
inherit deb fcaps

DESCRIPTION="User-mode networking daemons for virtual machines and namespaces"
HOMEPAGE="https://passt.top/"
LICENSE="BSD"
SLOT="0"
IUSE="selinux"

RDEPEND="sys-libs/glibc"

src_install() {
	deb_src_install
	deb_remove etc/apparmor.d
	deb_clamp
}

EAPI=8

DEBS="docker.io"
inherit deb udev

DESCRIPTION="Linux container runtime"
HOMEPAGE="https://mobyproject.org"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="cli container-init selinux"

RDEPEND="
	net-firewall/iptables:0=
	sys-apps/systemd
	sys-libs/glibc
	acct-group/docker
	>=app-containers/containerd-1.7[cri(+)]
	>=app-containers/runc-1.1[seccomp]
	virtual/udev
	container-init? ( >=sys-process/tini-0.19[static(+)] )
	selinux? ( sec-policy/selinux-policy )
	!app-containers/docker-bin
"
PDEPEND="cli? ( >=app-containers/docker-cli-20.10 )"

src_install() {
	deb_src_install
	use container-init || deb_remove usr/bin/docker-init
	deb_clamp
}

pkg_postinst() {
	udev_reload
	elog "Whoever is in the group docker can become root."
}

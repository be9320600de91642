EAPI=8

DEBS="podman"
inherit deb tmpfiles

DESCRIPTION="Tool to manage containers and pods"
HOMEPAGE="https://github.com/containers/podman"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="+rootless selinux +seccomp"

RDEPEND+="
	app-containers/containers-common
	app-crypt/gpgme:1=
	dev-db/sqlite:3
	sys-apps/shadow:0=
	sys-libs/glibc
	>=app-containers/conmon-2.1
	virtual/container-network
	seccomp? ( sys-libs/libseccomp:0= )
	|| ( >=app-containers/crun-1.4.5 >=app-containers/runc-1.1 )
	rootless? ( net-misc/passt sys-apps/shadow-uidmap )
	selinux? ( sec-policy/selinux-policy )
"

src_install() {
	deb_src_install
	# CNI is gone from podman 5.
	deb_remove etc/cni
	deb_clamp
}

pkg_postinst() {
	tmpfiles_process podman.conf
}

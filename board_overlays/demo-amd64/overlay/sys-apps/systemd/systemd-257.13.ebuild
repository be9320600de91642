EAPI=8

DEBS="
	systemd systemd-sysv systemd-resolved systemd-timesyncd systemd-container systemd-repart
	systemd-cryptsetup libpam-systemd libnss-systemd libnss-resolve libsystemd0
	libsystemd-shared libudev1 udev
"
inherit deb

DESCRIPTION="System and service manager"
HOMEPAGE="https://systemd.io"
LICENSE="LGPL-2.1+"
SLOT="0/2"

RDEPEND="
	app-arch/bzip2:0=
	app-arch/xz-utils
	dev-libs/openssl:0=
	net-misc/curl:0=
	sys-apps/acl
	sys-apps/kmod
	sys-apps/util-linux
	sys-fs/cryptsetup:0=
	sys-libs/glibc
	sys-libs/libapparmor
	sys-libs/libcap
	sys-libs/libseccomp:0=
	sys-libs/libselinux:0=
	sys-libs/pam
	sys-libs/zlib:0=
	sys-process/audit:0=
	virtual/libcrypt:=
	app-misc/ca-certificates
"

src_install() {
	deb_src_install
	# Written at first boot, or not wanted: see machine-id(5).
	rm -f "${ED}"/etc/machine-id "${ED}"/usr/lib/systemd/system-preset/*debian* || die
	rm -rf "${ED}"/etc/systemd/system/* || die
	deb_clamp
}

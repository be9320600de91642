EAPI=8

DEBS="open-vm-tools"
inherit deb udev

DESCRIPTION="Open VMware Tools for virtual machines hosted on VMware (CLI)"
HOMEPAGE="https://github.com/vmware/open-vm-tools"
LICENSE="LGPL-2.1"
SLOT="0"
IUSE="fuse resolutionkms vgauth"

RDEPEND="
	dev-libs/glib:2
	dev-libs/libmspack
	dev-libs/openssl:0=
	net-libs/libtirpc:0=
	sys-apps/iproute2
	sys-apps/lsb-release
	sys-apps/pciutils:0=
	sys-apps/systemd
	sys-libs/gcc-libs:0=
	sys-libs/glibc
	virtual/udev
	vgauth? ( dev-libs/libxml2:2= )
	vgauth? ( dev-libs/xmlsec:0= )
	fuse? ( sys-fs/fuse:3= )
	resolutionkms? ( x11-libs/libdrm )
"

src_install() {
	deb_src_install
	deb_remove usr/lib/udev/rules.d/60-open-vm-tools.rules
	use fuse || deb_remove usr/bin/vmhgfs-fuse usr/bin/vmware-vmblock-fuse
	use resolutionkms || deb_remove 'usr/lib64/open-vm-tools/plugins/vmsvc/libresolutionKMS.so'
	if ! use vgauth; then
		deb_remove usr/bin/VGAuthService usr/bin/vmware-vgauth-cmd usr/bin/vmware-alias-import \
			'usr/lib64/libvgauth.so*' usr/lib/systemd/system/vgauth.service \
			etc/vmware-tools/vgauth etc/vmware-tools/vgauth.conf
	fi
	deb_clamp
}

pkg_postinst() {
	udev_reload
}

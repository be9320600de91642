EAPI=8

inherit deb

DESCRIPTION="What machines on VMware need"
HOMEPAGE="https://www.vmware.com"
LICENSE="Apache-2.0"
SLOT="0"

SYSEXT_NAME="VMware"

RDEPEND="app-emulation/open-vm-tools[vgauth]"

src_install() {
	local unit
	for unit in open-vm-tools vgauth; do
		insinto "/usr/lib/systemd/system/${unit}.service.d"
		doins "${FILESDIR}/etc-link.conf"
	done
	insinto /usr/lib/systemd/system/multi-user.target.d
	doins "${FILESDIR}/10-oem-vmware.conf"
	deb_clamp
}

EAPI=8

inherit deb

DESCRIPTION="What machines in Microsoft Azure need"
HOMEPAGE="https://azure.microsoft.com"
LICENSE="Apache-2.0"
SLOT="0"

SYSEXT_NAME="Microsoft Azure"

RDEPEND="
	app-emulation/hv-daemons
	app-emulation/wa-linux-agent
	dev-python/urllib3
	net-misc/chrony
	sys-fs/inotify-tools
"

src_install() {
	deb_enable multi-user.target chrony.service
	insinto /usr/lib/systemd/system/chrony.service.d
	doins "${FILESDIR}/chrony-hyperv.conf"
	insinto /usr/lib/tmpfiles.d
	doins "${FILESDIR}/etc-chrony.conf"
	insinto /usr/share/oem-azure
	doins "${FILESDIR}/chrony.conf"
	deb_clamp
}

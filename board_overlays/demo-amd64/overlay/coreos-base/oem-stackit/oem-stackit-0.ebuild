EAPI=8

inherit deb

DESCRIPTION="What machines in STACKIT need"
HOMEPAGE="https://stackit.com"
LICENSE="GPL-2"
SLOT="0"

SYSEXT_NAME="STACKIT"

RDEPEND="net-misc/chrony"

src_install() {
	deb_enable multi-user.target chrony.service
	insinto /usr/lib/systemd/system/chrony.service.d
	doins "${FILESDIR}/chrony-kvm.conf"
	insinto /usr/lib/tmpfiles.d
	doins "${FILESDIR}/etc-chrony.conf"
	insinto /usr/share/oem-stackit
	doins "${FILESDIR}/chrony.conf"
	deb_clamp
}

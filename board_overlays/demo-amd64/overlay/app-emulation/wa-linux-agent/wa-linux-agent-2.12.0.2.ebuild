EAPI=8

DEBS="waagent"
inherit deb

DESCRIPTION="Virtual machine interaction with the Microsoft Azure cloud service"
HOMEPAGE="https://github.com/Azure/WALinuxAgent"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="
	app-misc/ca-certificates
	dev-libs/openssl:0=
	dev-python/crypt-r
	dev-python/distro[python_targets_python3_13(-)]
	virtual/udev
	sys-apps/iproute2
	python_targets_python3_13? ( dev-lang/python:3.13[ssl(+)] )
	|| ( dev-python/legacycrypt[python_targets_python3_13(-)] <dev-lang/python-3.13:3.12 )
"

src_install() {
	deb_src_install
	deb_remove etc/init.d
	# Flatcar's agent has its unit below etc/, and a target that starts it.
	insinto /etc/systemd/system
	newins usr/lib/systemd/system/walinuxagent.service waagent.service
	# Flatcar's base has the rules.
	deb_remove usr/lib/systemd usr/lib/udev
	insinto /etc/systemd/system/multi-user.target.d
	newins - 10-waagent-sysext.conf <<< $'[Unit]\nUpholds=waagent.service'
	deb_clamp
}

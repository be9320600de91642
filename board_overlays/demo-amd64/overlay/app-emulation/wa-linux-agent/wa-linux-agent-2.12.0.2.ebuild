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
	deb_clamp
}

EAPI=8

DEBS="python3-distro"
inherit deb

DESCRIPTION="Linux OS platform information API"
HOMEPAGE="https://github.com/python-distro/distro"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="
	sys-apps/lsb-release
	python_targets_python3_13? ( dev-lang/python:3.13 )
"

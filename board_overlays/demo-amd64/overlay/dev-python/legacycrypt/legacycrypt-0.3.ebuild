EAPI=8

DEBS="python3-legacycrypt"
inherit deb

DESCRIPTION="Legacycrypt is a standalone version of"
HOMEPAGE="https://github.com/tiran/legacycrypt"
LICENSE="PSF-2"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="python_targets_python3_13? ( dev-lang/python:3.13 )"

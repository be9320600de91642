EAPI=8

DEBS="python3-pip"
inherit deb

DESCRIPTION="Installs Python packages"
HOMEPAGE="https://pip.pypa.io/en/stable/"
LICENSE="MIT"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="
	app-misc/ca-certificates
	>=dev-python/wheel-0.40[python_targets_python3_13(-)]
	dev-python/packaging[python_targets_python3_13(-)]
	python_targets_python3_13? ( dev-lang/python:3.13[ssl(+)] )
"

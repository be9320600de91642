EAPI=8

DEBS="python3-wheel"
inherit deb

DESCRIPTION="Built-package format for Python"
HOMEPAGE="https://github.com/pypa/wheel"
LICENSE="MIT"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="
	dev-python/packaging
	dev-python/packaging[python_targets_python3_13(-)]
	python_targets_python3_13? ( dev-lang/python:3.13 )
"

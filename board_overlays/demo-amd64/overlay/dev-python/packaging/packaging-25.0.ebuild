EAPI=8

DEBS="python3-packaging"
inherit deb

DESCRIPTION="Core utilities for python3 packages"
HOMEPAGE="https://github.com/pypa/packaging"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="python_targets_python3_13? ( dev-lang/python:3.13 )"

EAPI=8

DEBS="python3-urllib3"
inherit deb

DESCRIPTION="HTTP library with thread-safe connection pooling"
HOMEPAGE="https://github.com/urllib3/urllib3"
LICENSE="MIT"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="python_targets_python3_13? ( dev-lang/python:3.13[ssl(+)] )"

EAPI=8

DEBS="python3-crypt-r"
inherit deb

DESCRIPTION="Restored crypt module removed in Python 3.13"
HOMEPAGE="https://github.com/fedora-python/crypt_r"
LICENSE="PSF-2"
SLOT="0"
IUSE="+python_targets_python3_13"
REQUIRED_USE="|| ( python_targets_python3_13 )"

RDEPEND="
	sys-libs/glibc
	virtual/libcrypt:=
	python_targets_python3_13? ( dev-lang/python:3.13 )
"

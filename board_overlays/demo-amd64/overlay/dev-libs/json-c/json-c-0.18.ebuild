EAPI=8

DEBS="libjson-c5"
inherit deb

DESCRIPTION="JSON manipulation library - shared library"
HOMEPAGE="https://github.com/json-c/json-c/wiki"
LICENSE="MIT"
SLOT="0/5"

RDEPEND="sys-libs/glibc"

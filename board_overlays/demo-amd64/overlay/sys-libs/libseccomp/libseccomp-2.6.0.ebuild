EAPI=8

DEBS="libseccomp2"
inherit deb

DESCRIPTION="High level interface to Linux seccomp filter"
HOMEPAGE="https://github.com/seccomp/libseccomp"
LICENSE="LGPL-2.1"
SLOT="0/2"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="cryptsetup-bin libcryptsetup12"
inherit deb

DESCRIPTION="Disk encryption support - command line tools"
HOMEPAGE="https://gitlab.com/cryptsetup/cryptsetup"
LICENSE="GPL-2+"
SLOT="0/12"

RDEPEND="
	dev-libs/json-c:0=
	dev-libs/openssl:0=
	dev-libs/popt
	sys-apps/util-linux
	sys-fs/lvm2
	sys-libs/glibc
"

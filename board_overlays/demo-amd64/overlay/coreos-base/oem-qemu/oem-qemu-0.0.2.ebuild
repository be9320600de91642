EAPI=8

DESCRIPTION="What machines on QEMU need"
HOMEPAGE="https://www.qemu.org"
LICENSE="Apache-2.0"
SLOT="0"
KEYWORDS="amd64"

SYSEXT_NAME="QEMU"

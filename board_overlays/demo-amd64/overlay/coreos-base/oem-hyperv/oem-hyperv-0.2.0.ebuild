EAPI=8

DESCRIPTION="What machines on Microsoft Hyper-V need"
HOMEPAGE="https://learn.microsoft.com/virtualization"
LICENSE="Apache-2.0"
SLOT="0"
KEYWORDS="amd64"

SYSEXT_NAME="Microsoft Hyper-V"

RDEPEND="app-emulation/hv-daemons"

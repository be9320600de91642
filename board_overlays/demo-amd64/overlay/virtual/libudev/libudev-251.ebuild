EAPI=8

DESCRIPTION="Virtual for libudev"
SLOT="0/1"
KEYWORDS="amd64"

RDEPEND="sys-apps/systemd:0="

EAPI=8

DESCRIPTION="Virtual for whatever names devices"
SLOT="0"
KEYWORDS="amd64"

RDEPEND="sys-apps/systemd"

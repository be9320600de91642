EAPI=8

DESCRIPTION="Virtual for whatever carries out tmpfiles.d"
SLOT="0"
KEYWORDS="amd64"

RDEPEND="sys-apps/systemd"

EAPI=8

DESCRIPTION="Virtual for what gives containers their network"
SLOT="0"
KEYWORDS="amd64"

RDEPEND="|| ( app-containers/netavark net-misc/cni-plugins )"

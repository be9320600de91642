EAPI=8

DESCRIPTION="Virtual for libcrypt.so"
SLOT="0/2"
KEYWORDS="amd64"

RDEPEND="sys-libs/libxcrypt:="

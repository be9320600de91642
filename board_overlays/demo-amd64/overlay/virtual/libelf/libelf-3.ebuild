EAPI=8

DESCRIPTION="Virtual for libelf.so"
SLOT="0/1"
KEYWORDS="amd64"

RDEPEND="dev-libs/elfutils"

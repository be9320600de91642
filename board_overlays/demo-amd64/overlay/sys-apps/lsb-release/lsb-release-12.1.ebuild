EAPI=8

DEBS="lsb-release"
inherit deb

DESCRIPTION="Linux Standard Base version reporting utility (minimal implementation)"
HOMEPAGE="https://gioele.io/lsb-release-minimal"
LICENSE="ISC"
SLOT="0"

EAPI=8

DEBS="libdb5.3t64"
inherit deb

DESCRIPTION="Berkeley v5.3 Database Libraries [runtime]"
HOMEPAGE="http://www.oracle.com/technetwork/database/database-technologies/berkeleydb/overview/index.html"
LICENSE="Sleepycat"
SLOT="5.3"

RDEPEND="sys-libs/glibc"

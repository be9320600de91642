EAPI=8

DEBS="libtirpc3t64 libtirpc-common"
inherit deb

DESCRIPTION="Transport-independent RPC library"
HOMEPAGE="http://sourceforge.net/projects/libtirpc"
LICENSE="BSD"
SLOT="0/3"

RDEPEND="
	app-crypt/mit-krb5
	sys-libs/glibc
"

EAPI=8

DEBS="libxmlsec1t64 libxmlsec1t64-openssl"
inherit deb

DESCRIPTION="XML security library"
HOMEPAGE="https://www.aleksey.com/xmlsec/"
LICENSE="MIT"
SLOT="0/1"

RDEPEND="
	dev-libs/libxml2:2
	dev-libs/libxslt
	dev-libs/openssl:0=
	sys-libs/glibc
"

EAPI=8

# With headers and what builds against it, as packages of Gentoo come.
DEBS="libxmlsec1t64 libxmlsec1t64-openssl libxmlsec1-dev"
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

src_install() {
	deb_src_install
	deb_remove 'usr/lib64/*.a' usr/lib64/libxmlsec1-{gcrypt,gnutls,nss}.so \
		usr/lib64/pkgconfig/xmlsec1-{gcrypt,gnutls,nss}.pc
	deb_clamp
}

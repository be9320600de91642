EAPI=8

DEBS="
	libcurl4t64 libbrotli1 libnghttp2-14 libnghttp3-9 libpsl5t64 librtmp1 libssh2-1t64
	libldap2 libsasl2-2 libsasl2-modules-db
"
inherit deb

DESCRIPTION="Easy-to-use client-side URL transfer library (OpenSSL flavour)"
HOMEPAGE="https://curl.se/"
LICENSE="curl"
SLOT="0/4"

RDEPEND="
	app-arch/zstd:0=
	app-crypt/mit-krb5
	dev-libs/gmp:0=
	dev-libs/nettle:0=
	dev-libs/openssl:0=
	net-dns/libidn2:0=
	net-libs/gnutls:0=
	sys-libs/db:5.3
	sys-libs/glibc
	sys-libs/zlib:0=
"

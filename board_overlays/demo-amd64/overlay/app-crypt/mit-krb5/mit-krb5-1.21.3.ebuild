EAPI=8

DEBS="libgssapi-krb5-2 libk5crypto3 libkrb5-3 libkrb5support0"
inherit deb

DESCRIPTION="MIT Kerberos runtime libraries - krb5 GSS-API Mechanism"
HOMEPAGE="https://web.mit.edu/kerberos/"
LICENSE="MIT"
SLOT="0"

RDEPEND="
	dev-libs/openssl:0=
	sys-apps/keyutils:0=
	sys-fs/e2fsprogs
	sys-libs/glibc
"

EAPI=8

DEBS="openssl libssl3t64 openssl-provider-legacy"
inherit deb

DESCRIPTION="Secure Sockets Layer toolkit - cryptographic utility"
HOMEPAGE="https://openssl-library.org"
LICENSE="Apache-2.0"
SLOT="0/3"

RDEPEND="
	app-arch/zstd:0=
	sys-libs/glibc
	sys-libs/zlib:0=
"

EAPI=8

DEBS="gnupg gpg gpg-agent gpgconf gpgsm dirmngr"
inherit deb

DESCRIPTION="GNU privacy guard - a free PGP replacement"
HOMEPAGE="https://www.gnupg.org/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	app-arch/bzip2:0=
	app-crypt/pinentry
	dev-db/sqlite:3
	dev-libs/libassuan:0=
	dev-libs/libgcrypt:0=
	dev-libs/libgpg-error
	dev-libs/libksba
	dev-libs/npth
	net-libs/gnutls:0=
	net-misc/curl:0=
	sys-libs/glibc
	sys-libs/readline:0=
	sys-libs/zlib:0=
"

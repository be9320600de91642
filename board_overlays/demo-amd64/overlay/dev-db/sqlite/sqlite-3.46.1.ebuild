EAPI=8

DEBS="libsqlite3-0"
inherit deb

DESCRIPTION="SQLite 3 shared library"
HOMEPAGE="https://www.sqlite.org/"
LICENSE="public-domain"
SLOT="3"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="grep"
inherit deb

DESCRIPTION="GNU grep, egrep and fgrep"
HOMEPAGE="https://www.gnu.org/software/grep/"
LICENSE="GPL-3+"
SLOT="0"

RDEPEND="
	dev-libs/libpcre2:0=
	sys-libs/glibc
"

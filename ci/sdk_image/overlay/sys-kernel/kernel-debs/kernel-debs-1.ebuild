EAPI=8
DESCRIPTION="Debian's packages with which modules of the board's kernel are compiled"
HOMEPAGE="https://packages.debian.org/trixie/linux-headers-cloud-amd64"
LICENSE="GPL-2"
SLOT="0"
KEYWORDS="amd64"
S="${WORKDIR}"

# Who has the packages makes a binary package of them; here is nothing to make it from.
src_install() {
	die "this is only there as a binary package"
}

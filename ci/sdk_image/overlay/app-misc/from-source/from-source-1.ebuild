EAPI=8
DESCRIPTION="A package that no binhost has"
HOMEPAGE="https://example.org/"
LICENSE="public-domain"
SLOT="0"
KEYWORDS="amd64"
IUSE="broken loud"
S="${WORKDIR}"

src_compile() {
	use broken && die "cannot compile this"
	printf 'int main(void) { return 0; }\n' >made.c || die
	gcc -O1 -static -o made made.c || die "cannot compile"
}

src_install() {
	dobin made
	insinto /usr/share/from-source
	echo "$(usex loud LOUD quiet)" >voice || die
	doins voice
}

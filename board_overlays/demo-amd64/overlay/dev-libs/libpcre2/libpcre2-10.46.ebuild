EAPI=8

DEBS="libpcre2-8-0"
inherit deb

DESCRIPTION="New Perl Compatible Regular Expression Library- 8 bit runtime files"
HOMEPAGE="https://github.com/PCRE2Project/pcre2"
LICENSE="BSD"
SLOT="0/3"

RDEPEND="sys-libs/glibc"

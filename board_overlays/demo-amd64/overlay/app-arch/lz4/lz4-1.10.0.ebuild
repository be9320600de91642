EAPI=8

DEBS="liblz4-1 libxxhash0"
inherit deb

DESCRIPTION="Fast LZ compression algorithm library - runtime"
HOMEPAGE="https://github.com/lz4/lz4"
LICENSE="BSD-2"
SLOT="0/1"

RDEPEND="sys-libs/glibc"

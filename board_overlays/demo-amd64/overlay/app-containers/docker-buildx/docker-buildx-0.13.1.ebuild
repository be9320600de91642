EAPI=8

DEBS="docker-buildx"
inherit deb

DESCRIPTION="Docker CLI plugin for extended build capabilities with BuildKit (program)"
HOMEPAGE="https://github.com/docker/buildx"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="golang-github-containers-image"
inherit deb

DESCRIPTION="Configuration files and manpages for github.com/containers repositories"
HOMEPAGE="https://github.com/containers/image"
LICENSE="Apache-2.0"
SLOT="0"

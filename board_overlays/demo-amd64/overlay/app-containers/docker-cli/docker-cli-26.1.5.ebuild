EAPI=8

DEBS="docker-cli"
inherit deb

DESCRIPTION="Linux container runtime -- client"
HOMEPAGE="https://mobyproject.org"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND="
	sys-libs/glibc
	!<app-containers/docker-20.10
	!app-containers/podman-docker
"
PDEPEND="app-containers/docker-buildx"

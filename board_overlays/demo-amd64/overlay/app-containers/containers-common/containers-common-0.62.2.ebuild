EAPI=8

DEBS="golang-github-containers-common"
inherit deb

DESCRIPTION="What podman and its kin read at first: policy, registries, seccomp"
HOMEPAGE="https://github.com/containers/common"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND="app-containers/containers-image"

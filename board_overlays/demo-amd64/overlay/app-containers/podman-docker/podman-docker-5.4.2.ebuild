EAPI=8

DEBS="podman-docker"
inherit deb tmpfiles

DESCRIPTION="The command docker, carried out by podman"
HOMEPAGE="https://github.com/containers/podman"
LICENSE="Apache-2.0"
SLOT="0"

RDEPEND+="
	app-containers/podman
	!!app-containers/docker-cli
"

pkg_postinst() {
	tmpfiles_process podman-docker.conf
}

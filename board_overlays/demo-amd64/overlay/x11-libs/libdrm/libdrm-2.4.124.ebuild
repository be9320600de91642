EAPI=8

DEBS="libdrm2 libdrm-common"
inherit deb

DESCRIPTION="Userspace interface to kernel DRM services -- runtime"
HOMEPAGE="https://gitlab.freedesktop.org/mesa/drm/"
LICENSE="MIT"
SLOT="0"

RDEPEND="sys-libs/glibc"

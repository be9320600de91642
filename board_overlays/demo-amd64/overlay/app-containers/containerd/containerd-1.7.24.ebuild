EAPI=8

DEBS="containerd"
inherit deb

DESCRIPTION="Open and reliable container runtime"
HOMEPAGE="https://containerd.io/"
LICENSE="Apache-2.0"
SLOT="0"
IUSE="btrfs +cri selinux"

RDEPEND="
	>=app-containers/runc-1.1
	sys-libs/glibc
	selinux? ( sec-policy/selinux-policy )
	btrfs? ( sys-kernel/linux-cloud )
"

EAPI=8

DEBS="
	util-linux util-linux-extra bsdutils mount login libblkid1 libfdisk1 libmount1
	libsmartcols1 libuuid1 liblastlog2-2
"
inherit deb

DESCRIPTION="Miscellaneous system utilities"
HOMEPAGE="https://github.com/util-linux/util-linux"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	dev-db/sqlite:3
	sys-apps/shadow:0=
	sys-apps/systemd
	sys-libs/glibc
	sys-libs/libcap-ng
	sys-libs/libselinux:0=
	virtual/libcrypt:=
	sys-libs/ncurses:0=
	sys-libs/pam
	sys-libs/zlib:0=
	sys-process/audit:0=
"

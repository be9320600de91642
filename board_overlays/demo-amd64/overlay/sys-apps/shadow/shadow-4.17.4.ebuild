EAPI=8

DEBS="passwd login.defs libsubid5"
inherit deb

DESCRIPTION="Change and administer password and group data"
HOMEPAGE="https://github.com/shadow-maint/shadow"
LICENSE="BSD"
SLOT="0/5"

RDEPEND="
	dev-libs/libedit
	sys-apps/acl
	sys-apps/attr
	sys-apps/baselayout
	sys-libs/glibc
	sys-libs/libselinux:0=
	sys-libs/libsemanage:0=
	virtual/libcrypt:=
	sys-libs/pam
	sys-process/audit:0=
"

EAPI=8

DEBS="e2fsprogs libext2fs2t64 libss2 libcom-err2 logsave"
inherit deb

DESCRIPTION="Ext2/ext3/ext4 file system utilities"
HOMEPAGE="http://e2fsprogs.sourceforge.net"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	sys-apps/util-linux
	sys-libs/glibc
"

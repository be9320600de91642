EAPI=8

DEBS="fuse3 libfuse3-4"
inherit deb

DESCRIPTION="File systems in user space, third generation"
HOMEPAGE="https://github.com/libfuse/libfuse/wiki"
LICENSE="GPL-2"
SLOT="3/4"

RDEPEND="
	sys-apps/sed
	sys-apps/util-linux
	sys-libs/glibc
"

# As on Gentoo, what mount(8) calls lies in /sbin: a path that the base's link sends below usr.
src_install() {
	deb_src_install
	mkdir "${ED}/sbin" && mv "${ED}"/usr/sbin/mount.fuse* "${ED}/sbin/" && rmdir "${ED}/usr/sbin" || die
	# Debian's postinst would do it.
	fperms 4755 /usr/bin/fusermount3
	deb_clamp
}

EAPI=8

# With headers, as packages of Gentoo come.
DEBS="inotify-tools libinotifytools0 libinotifytools0-dev"
inherit deb

DESCRIPTION="Command line programs for inotify"
HOMEPAGE="https://github.com/inotify-tools/inotify-tools"
LICENSE="GPL-2"
SLOT="0/0.4.1"

RDEPEND="sys-libs/glibc"

src_install() {
	deb_src_install
	deb_remove 'usr/lib64/*.a'
	deb_clamp
}

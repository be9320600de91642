EAPI=8

DEBS="dbus dbus-bin dbus-daemon dbus-system-bus-common dbus-session-bus-common libdbus-1-3"
inherit deb

DESCRIPTION="Simple interprocess messaging system (system message bus)"
HOMEPAGE="https://dbus.freedesktop.org/"
LICENSE="GPL-2+"
SLOT="0"

RDEPEND="
	dev-libs/expat
	sys-apps/baselayout
	sys-apps/systemd
	sys-libs/glibc
	acct-user/messagebus
	sys-libs/libapparmor
	sys-libs/libcap-ng
	sys-libs/libselinux:0=
	sys-process/audit:0=
"

src_install() {
	deb_src_install
	# acct-user/messagebus makes the user; he alone may start the helper, which is root's.
	deb_remove usr/lib/sysusers.d/dbus.conf
	local helper=/usr/lib/dbus-1.0/dbus-daemon-launch-helper
	fowners 0:101 "${helper}"
	fperms 4754 "${helper}"
	deb_clamp
}

EAPI=8

DEBS="chrony"
inherit deb

DESCRIPTION="Versatile implementation of the Network Time Protocol"
HOMEPAGE="https://chrony-project.org"
LICENSE="GPL-2"
SLOT="0"
IUSE="nts selinux"

RDEPEND="
	dev-libs/libedit
	dev-libs/nettle:0=
	sys-apps/iproute2
	sys-libs/glibc
	sys-libs/libcap
	sys-libs/libseccomp:0=
	acct-group/chrony
	acct-user/chrony
	sys-libs/timezone-data
	nts? ( net-libs/gnutls:0= )
	selinux? ( sec-policy/selinux-policy )
"

src_install() {
	deb_src_install
	deb_remove etc/{apparmor.d,dhcp,network,ppp} usr/lib/NetworkManager usr/lib/networkd-dispatcher
	# The folder of its state belongs to acct-user/chrony.
	rm -rf "${ED}"/var || die
	# The configuration that Debian's postinst copies, for the user that acct-user/chrony makes.
	sed -i 's/_chrony/chrony/' "${ED}"/usr/lib/systemd/system/*.service || die
	insinto /etc/chrony
	newins - chrony.conf < <(cat usr/share/chrony/chrony.conf; echo "user chrony")
	insopts -m 0640
	doins usr/share/chrony/chrony.keys
	fowners 0:123 /etc/chrony/chrony.keys
	# By this name chrony-wait.service wants it; Debian's "systemctl enable" makes the alias.
	dosym chrony.service /usr/lib/systemd/system/chronyd.service
	deb_clamp
}

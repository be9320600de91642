EAPI=8

DEBS="selinux-policy-default"
inherit deb

DESCRIPTION="The SELinux policy of Debian, compiled"
HOMEPAGE="https://github.com/SELinuxProject/refpolicy/releases"
LICENSE="GPL-2"
SLOT="0"

RDEPEND="
	sys-apps/policycoreutils
	sys-libs/libselinux:0=
	sys-libs/libsemanage:0=
	sys-libs/libsepol:0=
"

# Debian compiles the policy where it is installed; a binary package has to hold the outcome.
src_compile() {
	local build=${DEMO_BUILDROOT:?} modules=()
	local work=${build}/tmp/selinux
	rm -rf "${work}" && mkdir -p "${work}/etc/selinux" "${work}/var/lib/selinux" || die
	cp -a etc/selinux/default "${work}/etc/selinux/" || die
	cp -a usr/share/selinux/default "${work}/modules" || die
	cp "${FILESDIR}/config" "${work}/etc/selinux/" || die
	mapfile -t modules < <(sed 's|.*|/tmp/selinux/modules/&.pp.bz2|' "${work}/modules/.modules")
	mkdir -p "${work}/var/lib/selinux/default/active/modules" || die
	chroot "${build}" semodule -n -s default -X 100 -p /tmp/selinux \
		"${modules[@]/#/-i}" || die "semodule failed"
}

src_install() {
	rm -r "${S}/usr/share/selinux" || die
	deb_src_install
	local work=${DEMO_BUILDROOT}/tmp/selinux
	cp -a "${work}/etc/selinux/." "${ED}/etc/selinux/" || die
	# The modules it was made of, so that semodule can add to it.
	dodir /var/lib/selinux
	cp -a "${work}/var/lib/selinux/default" "${ED}/var/lib/selinux/" || die
	insinto /etc/selinux
	doins "${FILESDIR}/config"
	deb_clamp
}

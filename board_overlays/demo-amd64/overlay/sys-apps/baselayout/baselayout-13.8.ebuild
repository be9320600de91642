EAPI=8

DEBS="base-files base-passwd netbase"
inherit deb

DESCRIPTION="The folders, links and first files of a root"
HOMEPAGE="https://packages.debian.org/trixie/base-files"
LICENSE="GPL-2"
SLOT="0"

src_prepare() {
	deb_src_prepare
	# os-release is the release's, not a package's; folders and links follow in src_install.
	rm -rf etc/os-release etc/update-motd.d usr/{bin,games,include,lib,lib64,local,sbin,src} || die
	rm -rf bin boot dev home lib lib64 media mnt opt proc root run sbin srv sys tmp var || die
	rm -rf usr/share/{dict,misc} || die
}

src_install() {
	deb_src_install
	local dir
	for dir in bin sbin lib; do
		dosym "usr/${dir}" "/${dir}"
	done
	# Where Debian's ld.so looks is usr/lib/x86_64-linux-gnu; packages of this board say usr/lib64.
	dosym lib/x86_64-linux-gnu /usr/lib64
	dosym usr/lib64 /lib64
	keepdir /usr/{bin,sbin,libexec,share,src,local/bin,lib/modules} /usr/lib/x86_64-linux-gnu
	keepdir /boot /dev /home /media /mnt /opt /oem /proc /run /srv /sys
	keepdir /var/{cache,lib,log,opt,spool}
	diropts -m 1777
	keepdir /tmp /var/tmp
	diropts -m 0700
	keepdir /root
	dosym ../run /var/run
	dosym ../run/lock /var/lock
	dosym ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
	dosym ../usr/lib/os-release /etc/os-release
	dosym ../proc/self/mounts /etc/mtab
	dosym ../usr/share/zoneinfo/UTC /etc/localtime

	insinto /etc
	# Passwords are in shadow and gshadow.
	newins - passwd < <(sed 's/^\([^:]*\):[^:]*/\1:x/' usr/share/base-passwd/passwd.master)
	newins - group < <(sed 's/^\([^:]*\):[^:]*/\1:x/' usr/share/base-passwd/group.master)
	newins usr/share/base-files/profile profile
	newins "${FILESDIR}/nsswitch.conf" nsswitch.conf
	newins "${FILESDIR}/hosts" hosts
	insopts -m 0640
	newins - shadow < <(sed 's/^\([^:]*\):.*/\1:*:20000:0:99999:7:::/' \
		usr/share/base-passwd/passwd.master)
	newins - gshadow < <(sed 's/^\([^:]*\):.*/\1:*::/' usr/share/base-passwd/group.master)
	fowners 0:42 /etc/shadow /etc/gshadow
	insopts -m 0644
	insinto /usr/lib/systemd/system-preset
	doins "${FILESDIR}/80-demo.preset"
	deb_clamp
}

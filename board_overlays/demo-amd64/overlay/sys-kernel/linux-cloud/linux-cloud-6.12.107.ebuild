EAPI=8

DEBS="linux-image-cloud-amd64"
inherit deb

DESCRIPTION="The Linux kernel of Debian for virtual machines, and its modules"
HOMEPAGE="https://www.kernel.org/"
LICENSE="GPL-2"
SLOT="0/${PV}"

# What lies in boot belongs to usr/lib/modules/VERSION; usr/boot has upstream's name for the image.
src_install() {
	deb_src_install
	local modules=( "${ED}"/usr/lib/modules/* ) file
	local version=${modules[0]##*/}
	[[ ${#modules[@]} -eq 1 ]] || die "not one kernel version: ${modules[*]}"
	for file in vmlinuz config System.map; do
		mv "${ED}/boot/${file}-${version}" "${modules[0]}/${file}" || die
	done
	rm -r "${ED}/boot" || die
	dosym "../lib/modules/${version}/vmlinuz" /usr/boot/vmlinuz
	deb_depmod "${ED}" "${version}"
	deb_clamp
}

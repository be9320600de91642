EAPI=8

DEBS="acpi-call-dkms"
inherit deb

DESCRIPTION="Calls methods of ACPI by /proc/acpi/call: a kernel module outside the kernel's tree"
HOMEPAGE="https://github.com/nix-community/acpi_call"
LICENSE="GPL-2"
SLOT="0"
DEPEND="sys-kernel/linux-cloud:="

RDEPEND="sys-kernel/linux-cloud:="

src_compile() {
	local build=${DEMO_BUILDROOT:?} source=( usr/src/acpi-call-* )
	local headers=( "${build}"/usr/src/linux-headers-*-cloud-amd64 )
	KERNEL_VERSION=${headers[0]##*/linux-headers-}
	rm -rf "${build}/tmp/module" && cp -a "${source[0]}" "${build}/tmp/module" || die
	# BTF needs pahole and the whole kernel. Symbols for debuggers go to usr/lib/debug, as by
	# Portage's splitdebug.
	chroot "${build}" make -C "/usr/src/linux-headers-${KERNEL_VERSION}" M=/tmp/module modules \
		CONFIG_DEBUG_INFO_BTF_MODULES= || die "the module cannot be compiled"
	chroot "${build}" objcopy --only-keep-debug /tmp/module/acpi_call.ko{,.debug} || die
	chroot "${build}" strip --strip-debug /tmp/module/acpi_call.ko || die
}

src_install() {
	insinto "/usr/lib/modules/${KERNEL_VERSION}/extra"
	doins "${DEMO_BUILDROOT}/tmp/module/acpi_call.ko"
	insinto "/usr/lib/debug/usr/lib/modules/${KERNEL_VERSION}/extra"
	doins "${DEMO_BUILDROOT}/tmp/module/acpi_call.ko.debug"
	insinto /usr/lib/modules-load.d
	newins - acpi_call.conf <<< acpi_call
	deb_clamp
}

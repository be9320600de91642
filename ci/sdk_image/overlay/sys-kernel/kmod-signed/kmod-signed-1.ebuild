EAPI=8
DESCRIPTION="A kernel module that is compiled and signed in the SDK"
HOMEPAGE="https://example.org/"
LICENSE="GPL-2"
SLOT="0"
KEYWORDS="amd64"
IUSE="+modules-sign"
DEPEND="sys-kernel/kernel-debs"
# Stripping would take the signature away.
RESTRICT="strip"
S="${WORKDIR}"

src_unpack() {
	local deb
	for deb in "${SYSROOT}"/usr/share/kernel-debs/*.deb; do
		ar p "${deb}" data.tar.xz | tar -xJ
		assert "${deb} cannot be unpacked"
	done
	sed -i "s|/usr/src|${WORKDIR}/usr/src|" usr/src/linux-headers-*/Makefile || die
	HEADERS=( "${WORKDIR}"/usr/src/linux-headers-*-cloud-amd64 )
}

src_compile() {
	mkdir module || die
	echo 'obj-m := kmod_signed.o' >module/Makefile || die
	cat >module/kmod_signed.c <<-'END' || die
		#include <linux/module.h>
		static int __init start(void) { pr_info("kmod_signed: here\n"); return 0; }
		static void __exit stop(void) { }
		module_init(start);
		module_exit(stop);
		MODULE_LICENSE("GPL");
		MODULE_DESCRIPTION("Says that it is there");
	END
	# BTF needs pahole and the whole kernel.
	emake -C "${HEADERS}" M="${S}/module" CONFIG_DEBUG_INFO_BTF_MODULES= modules
}

src_install() {
	if use modules-sign; then
		"${HEADERS}"/scripts/sign-file sha256 "${MODULES_SIGN_KEY:?}" "${MODULES_SIGN_CERT:?}" \
			module/kmod_signed.ko || die "the module cannot be signed"
	fi
	insinto "/usr/lib/modules/${HEADERS##*/linux-headers-}/extra"
	doins module/kmod_signed.ko
}

# Installs the files of Debian packages where packages of Gentoo have them.
#
# An ebuild names them in DEBS, without versions. The folder DEMO_DEBS, which ci/make-demo-board
# fills, holds each as NAME.deb. What changes on the way:
# - documentation, translations and what only dpkg's own tools read are left out;
# - bin, sbin, lib and lib64 at the top move below usr;
# - Debian's usr/lib/x86_64-linux-gnu is Gentoo's usr/lib64. On a running board usr/lib64 is a
#   link to Debian's name (sys-apps/baselayout), where Debian's ld.so looks.

case ${EAPI} in
	8) ;;
	*) die "deb.eclass: EAPI ${EAPI} is not supported" ;;
esac

KEYWORDS="amd64"
RESTRICT="strip test"
QA_PREBUILT="*"
S="${WORKDIR}/files"

EXPORT_FUNCTIONS src_unpack src_prepare src_configure src_compile src_install

# deb_unpack FOLDER NAME...: unpack Debian packages into FOLDER, as they are.
deb_unpack() {
	local folder=$1 name deb member filter
	shift
	mkdir -p "${folder}" || die
	for name; do
		deb=${DEMO_DEBS:?names the folder of .deb files}/${name}.deb
		member=$(ar t "${deb}" | grep '^data\.tar') || die "${deb} holds no data"
		case ${member} in
			*.xz) filter="xz -dc" ;;
			*.zst) filter="zstd -dc" ;;
			*.gz) filter="gzip -dc" ;;
			*) filter="cat" ;;
		esac
		ar p "${deb}" "${member}" | ${filter} | tar -x --numeric-owner -C "${folder}" \
			--anchored \
			--exclude=./usr/share/{bug,doc,doc-base,info,lintian,locale,man,menu} \
			--exclude=./usr/share/{initramfs-tools,pixmaps,apport,reportbug}
		assert "${deb} cannot be unpacked"
	done
}

deb_src_unpack() {
	deb_unpack "${S}" ${DEBS}
}

deb_src_prepare() {
	default
	local dir
	for dir in bin sbin lib lib32 lib64 libx32; do
		if [[ -d ${dir} && ! -L ${dir} ]]; then
			mkdir -p "usr/${dir}" && cp -a "${dir}/." "usr/${dir}/" && rm -r "${dir}" || die
		fi
	done
	if [[ -d usr/lib/x86_64-linux-gnu ]]; then
		rm -rf usr/lib64 && mv usr/lib/x86_64-linux-gnu usr/lib64 || die
		rmdir --ignore-fail-on-non-empty usr/lib || die
	fi
}

deb_src_configure() { :; }
deb_src_compile() { :; }

deb_src_install() {
	cp -a "${S}/." "${ED}/" || die
	chown 0:0 "${ED}" && chmod 755 "${ED}" || die
	deb_clamp
}

# deb_remove PATTERN...: take away what this build is not to have; every pattern must match.
deb_remove() {
	local pattern matches
	for pattern; do
		matches=( $(compgen -G "${ED}/${pattern}") )
		[[ ${#matches[@]} -gt 0 ]] || die "nothing matches ${pattern}"
		rm -r "${matches[@]}" || die
	done
}

# deb_enable TARGET UNIT...: let a target want units, as `systemctl enable` would.
deb_enable() {
	local target=$1 unit
	shift
	for unit; do
		dosym "../${unit}" "/usr/lib/systemd/system/${target}.wants/${unit}"
	done
}

# deb_clamp: let nothing be younger than SOURCE_DATE_EPOCH. Call it when files were made.
deb_clamp() {
	[[ -n ${SOURCE_DATE_EPOCH} ]] || return 0
	find "${ED}" -newermt "@${SOURCE_DATE_EPOCH}" \
		-exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} + || die
}

# deb_depmod ROOT VERSION: write the indexes of ROOT/usr/lib/modules/VERSION, by the kmod of the
# build root: the host may have none.
deb_depmod() {
	local modules=$1/usr/lib/modules/$2 work=${DEMO_BUILDROOT:?}/tmp/depmod
	rm -rf "${work}" && mkdir -p "${work}/usr/lib/modules" || die
	ln -s usr/lib "${work}/lib" || die
	mv "${modules}" "${work}/usr/lib/modules/" || die
	chroot "${DEMO_BUILDROOT}" depmod -b /tmp/depmod "$2" || die "depmod failed"
	mv "${work}/usr/lib/modules/$2" "${modules}" || die
}

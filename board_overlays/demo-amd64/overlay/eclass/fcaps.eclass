# Gives files the capabilities that FILECAPS names, when the package is merged: a binary package
# cannot carry them, so its pkg_postinst does it with what environment.bz2 recorded.
#
# FILECAPS: capabilities, then files below EROOT; "--" begins the next such group.

case ${EAPI} in
	8) ;;
	*) die "fcaps.eclass: EAPI ${EAPI} is not supported" ;;
esac

IUSE="+filecaps"
IDEPEND="filecaps? ( sys-libs/libcap )"

EXPORT_FUNCTIONS pkg_postinst

# fcaps CAPABILITIES FILE...: set them, each both permitted and effective.
fcaps() {
	local caps=$1 file
	shift
	use filecaps || return 0
	[[ ${caps} == *[=+]* ]] || caps="${caps}=ep"
	for file; do
		if ! setcap "${caps}" "${EROOT%/}/${file#/}"; then
			ewarn "${file} stays without ${caps}: setcap failed or is not installed"
		fi
	done
}

fcaps_pkg_postinst() {
	local word group=()
	for word in "${FILECAPS[@]}" --; do
		if [[ ${word} == -- ]]; then
			[[ ${#group[@]} -eq 0 ]] || fcaps "${group[@]}"
			group=()
		else
			group+=( "${word}" )
		fi
	done
}

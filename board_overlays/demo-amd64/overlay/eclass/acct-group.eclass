# A system group: a line for systemd-sysusers, and the group itself as soon as it is merged.
#
# ACCT_GROUP_ID: its number, or -1 for any that is free. The name is the package's.

case ${EAPI} in
	8) ;;
	*) die "acct-group.eclass: EAPI ${EAPI} is not supported" ;;
esac

DESCRIPTION="The system group ${PN}"
HOMEPAGE="https://www.gentoo.org/glep/glep-0081.html"
SLOT="0"
KEYWORDS="amd64"
S="${WORKDIR}"

EXPORT_FUNCTIONS src_install pkg_preinst

acct-group_src_install() {
	local id=${ACCT_GROUP_ID:?}
	[[ ${id} == -1 ]] && id="-"
	insinto /usr/lib/sysusers.d
	newins - "${CATEGORY}-${PN}.conf" <<< "g ${PN} ${id}"
}

acct-group_pkg_preinst() {
	local file=${EROOT}/etc/group id=${ACCT_GROUP_ID}
	[[ -f ${file} ]] || return 0
	grep -q "^${PN}:" "${file}" && return 0
	if [[ ${id} == -1 ]]; then
		id=999
		while grep -q "^[^:]*:[^:]*:${id}:" "${file}"; do id=$((id - 1)); done
	fi
	echo "${PN}:x:${id}:" >> "${file}" || die
}

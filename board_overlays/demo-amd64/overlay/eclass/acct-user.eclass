# A system user: lines for systemd-sysusers, its home, and the user itself as soon as it is merged.
#
# ACCT_USER_ID: its number, or -1. ACCT_USER_GROUPS: the first is its own group.
# ACCT_USER_HOME, ACCT_USER_SHELL, ACCT_USER_COMMENT: as in passwd(5).

case ${EAPI} in
	8) ;;
	*) die "acct-user.eclass: EAPI ${EAPI} is not supported" ;;
esac

DESCRIPTION="The system user ${PN}"
HOMEPAGE="https://www.gentoo.org/glep/glep-0081.html"
SLOT="0"
KEYWORDS="amd64"
S="${WORKDIR}"
ACCT_USER_HOME="/dev/null"
ACCT_USER_SHELL="/usr/sbin/nologin"
ACCT_USER_COMMENT="${PN}"

EXPORT_FUNCTIONS src_install pkg_preinst

# acct-user_add_deps: call it when ACCT_USER_GROUPS is set.
acct-user_add_deps() {
	RDEPEND+=" ${ACCT_USER_GROUPS[*]/#/acct-group/}"
}

acct-user_src_install() {
	local id=${ACCT_USER_ID:?} group
	[[ ${id} == -1 ]] && id="-"
	insinto /usr/lib/sysusers.d
	newins - "${CATEGORY}-${PN}.conf" < <(
		printf 'u %s %s:%s "%s" %s %s\n' "${PN}" "${id}" "${ACCT_USER_GROUPS[0]}" \
			"${ACCT_USER_COMMENT}" "${ACCT_USER_HOME}" "${ACCT_USER_SHELL}"
		for group in "${ACCT_USER_GROUPS[@]:1}"; do echo "m ${PN} ${group}"; done
	)
	if [[ ${ACCT_USER_HOME} != /dev/null && ${id} != - ]]; then
		keepdir "${ACCT_USER_HOME}"
		fowners "${id}:${id}" "${ACCT_USER_HOME}"
		fperms 0750 "${ACCT_USER_HOME}"
	fi
}

acct-user_pkg_preinst() {
	local passwd=${EROOT}/etc/passwd gid
	[[ -f ${passwd} ]] || return 0
	grep -q "^${PN}:" "${passwd}" && return 0
	gid=$(sed -n "s/^${ACCT_USER_GROUPS[0]}:[^:]*:\([0-9]*\):.*/\1/p" "${EROOT}/etc/group")
	printf '%s:x:%s:%s:%s:%s:%s\n' "${PN}" "${ACCT_USER_ID}" "${gid:?}" "${ACCT_USER_COMMENT}" \
		"${ACCT_USER_HOME}" "${ACCT_USER_SHELL}" >> "${passwd}" || die
}

# Creates what a package's tmpfiles.d(5) lines describe, when it is merged into the running system.

case ${EAPI} in
	8) ;;
	*) die "tmpfiles.eclass: EAPI ${EAPI} is not supported" ;;
esac

RDEPEND="virtual/tmpfiles"

# tmpfiles_process FILE...: call it in pkg_postinst.
tmpfiles_process() {
	[[ ${ROOT%/} == "" ]] || return 0
	systemd-tmpfiles --create "$@" || ewarn "systemd-tmpfiles failed"
}

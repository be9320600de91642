# Lets a running udev read its rules again.

case ${EAPI} in
	8) ;;
	*) die "udev.eclass: EAPI ${EAPI} is not supported" ;;
esac

# udev_reload: call it in pkg_postinst and pkg_postrm.
udev_reload() {
	[[ ${ROOT%/} == "" && -d /run/udev ]] || return 0
	udevadm control --reload || ewarn "udevadm failed"
}

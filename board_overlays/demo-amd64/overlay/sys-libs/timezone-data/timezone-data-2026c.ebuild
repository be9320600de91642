EAPI=8

DEBS="tzdata"
inherit deb

DESCRIPTION="Time zone and daylight-saving time data"
HOMEPAGE="https://www.iana.org/time-zones"
LICENSE="public-domain"
SLOT="0"

# The one phase of this board that changes what no package owns.
pkg_postinst() {
	if [[ ! -e ${EROOT}/etc/localtime && ! -L ${EROOT}/etc/localtime ]]; then
		ln -s ../usr/share/zoneinfo/UTC "${EROOT}/etc/localtime" || die
	fi
}

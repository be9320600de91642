EAPI=8

DEBS="ca-certificates"
inherit deb

DESCRIPTION="The certificate authorities that Mozilla trusts"
HOMEPAGE="https://packages.debian.org/trixie/ca-certificates"
LICENSE="MPL-2.0"
SLOT="0"

RDEPEND="dev-libs/openssl:0="

# What update-ca-certificates does: one file with all, and one link each.
src_install() {
	deb_src_install
	local cert name all=()
	dodir /etc/ssl/certs
	for cert in "${ED}"/usr/share/ca-certificates/mozilla/*.crt; do
		name=${cert##*/}
		dosym "../../../usr/share/ca-certificates/mozilla/${name}" \
			"/etc/ssl/certs/${name%.crt}.pem"
		all+=( "${cert}" )
	done
	cat "${all[@]}" > "${ED}/etc/ssl/certs/ca-certificates.crt" || die
	deb_clamp
}

EAPI=8

DEBS="media-types"
inherit deb

DESCRIPTION="List of standard media types and their usual file extension"
HOMEPAGE="https://packages.debian.org/trixie/media-types"
LICENSE="public-domain"
SLOT="0"

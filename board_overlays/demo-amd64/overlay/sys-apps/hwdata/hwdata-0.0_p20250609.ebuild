EAPI=8

DEBS="pci.ids"
inherit deb

DESCRIPTION="PCI ID Repository"
HOMEPAGE="https://pci-ids.ucw.cz/"
LICENSE="GPL-2+"
SLOT="0"

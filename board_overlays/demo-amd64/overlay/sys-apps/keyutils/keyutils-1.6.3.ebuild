EAPI=8

DEBS="libkeyutils1"
inherit deb

DESCRIPTION="Linux Key Management Utilities (library)"
HOMEPAGE="https://git.kernel.org/pub/scm/linux/kernel/git/dhowells/keyutils.git"
LICENSE="LGPL-2.1"
SLOT="0/1"

RDEPEND="sys-libs/glibc"

EAPI=8

DEBS="
	python3.13 python3.13-minimal libpython3.13-minimal libpython3.13-stdlib python3
	python3-minimal python3.13-venv python3-pip-whl
"
# usr/bin/python3 lies with Debian's python3-minimal, whose other files are dpkg's.
inherit deb

DESCRIPTION="The Python language and its standard library"
HOMEPAGE="https://packages.debian.org/trixie/python3.13"
LICENSE="PSF-2"
SLOT="3.13"
IUSE="gdbm readline sqlite ssl"

RDEPEND="
	app-arch/bzip2:0=
	app-arch/xz-utils
	app-misc/mime-types
	dev-libs/expat
	dev-libs/libffi:0=
	sys-apps/baselayout
	sys-apps/util-linux
	sys-libs/db:5.3
	sys-libs/glibc
	sys-libs/ncurses:0=
	sys-libs/timezone-data
	sys-libs/zlib:0=
	sqlite? ( dev-db/sqlite:3= )
	ssl? ( dev-libs/openssl:0= )
	readline? ( sys-libs/readline:0= )
	ssl? ( app-misc/ca-certificates )
"

src_install() {
	deb_src_install
	local modules=usr/lib/python3.13/lib-dynload
	deb_remove usr/bin/py3{compile,clean,versions} usr/share/python3
	deb_remove usr/lib/python3.13/sitecustomize.py etc/python3.13
	use readline || deb_remove "${modules}/readline.*.so"
	use sqlite || deb_remove "${modules}/_sqlite3.*.so" usr/lib/python3.13/sqlite3
	use ssl || deb_remove "${modules}/_ssl.*.so"
	# Debian's ensurepip looks here when usr/share has no wheels; extensions leave usr/share out.
	mv "${ED}"/usr/share/python-wheels "${ED}"/usr/lib/python3.13/ensurepip/_bundled || die
	dosym python3.13 /usr/bin/python
	deb_clamp
}

"""Real Portage installs the same binary packages into an empty ROOT; ours must equal it."""

import fnmatch
import hashlib
import os
import random
import stat
from pathlib import Path

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.contents import parse_contents
from sysextlib.install.mask import InstallMask
from sysextlib.install.native import install
from sysextlib.progress import Silent
from sysextlib.tree import Kind, Tree
from tests.builders.base import TreeBase, lay_out
from tests.builders.needs import require_root, require_tool
from tests.builders.portage_root import PortageRoot

pytestmark = [pytest.mark.oracle, pytest.mark.root, pytest.mark.slow]

HEAD = 'EAPI=8\nDESCRIPTION="x"\nSLOT="0"\nKEYWORDS="amd64"\nLICENSE="Test"\nS="${WORKDIR}"\n'
EBUILDS = {
    "test/layout-1": HEAD
    + """
src_install() {
    keepdir /usr/lib64 /usr/bin  # Portage packs no empty directories
    dosym usr/lib64 /lib64
    dosym bin /usr/sbin
    dosym not/there /usr/dangling
}
""",
    "test/odd-1": HEAD
    + """
RDEPEND="test/layout"
inherit fcaps
IUSE="+filecaps"
FILECAPS=( cap_net_raw usr/bin/ping -- -M 0755 "cap_net_admin,cap_bpf=eip" usr/bin/other )
src_install() {
    mkdir -p "${ED}"/usr/bin "${ED}"/usr/share/odd "${ED}"/etc || die
    cd "${ED}"/usr/share/odd || die
    echo one > "a b"; echo two > 'quote"'; echo three > 'back\\slash'; echo four > $'caf\\xc3\\xa9'
    ln "a b" hard1; ln "a b" hard2
    echo s > suid; chown 233:150 suid; chmod 6711 suid
    mkdir sticky; chmod 1777 sticky; touch sticky/in
    mkdir closed; chmod 700 closed; chown 5:6 closed; echo z > closed/zero; chmod 0000 closed/zero
    ln -s "a b" link; ln -s /nowhere/at/all dangling; ln -s .. up
    touch -d @1 old; touch -d @4000000000 future; touch -h -d @1000 link
    setfattr -n user.note -v hello suid || die
    truncate -s 1M sparse
    echo p > "${ED}"/usr/bin/ping; echo o > "${ED}"/usr/bin/other; chmod 755 "${ED}"/usr/bin/*
    echo c > "${ED}"/etc/odd.conf
    keepdir /var/lib/odd
}
""",
    "test/fifo-1": HEAD
    + """
RDEPEND="test/odd"
src_install() { dodir /usr/share/odd; mkfifo -m 600 "${ED}"/usr/share/odd/fifo || die; }
""",
    "test/later-1": HEAD
    + """
RDEPEND="test/odd"
src_install() {
    mkdir -p "${ED}"/usr/share/odd/closed "${ED}"/lib64/sub "${ED}"/usr/sbin "${ED}"/opt/x || die
    chmod 755 "${ED}"/usr/share/odd/closed
    chmod 750 "${ED}"/lib64/sub "${ED}"/lib64
    echo l > "${ED}"/usr/share/odd/closed/later
    echo l > "${ED}"/lib64/sub/later.so
    echo l > "${ED}"/usr/sbin/later
    echo l > "${ED}"/opt/x/y
}
pkg_postinst() { elog "nothing to see"; }
""",
    "test/masked-1": HEAD
    + """
RDEPEND="test/later"
src_install() {
    mkdir -p "${ED}"/usr/include/keep "${ED}"/usr/lib64/deep "${ED}"/usr/share/man/man1 || die
    mkdir -p "${ED}"/usr/empty || die
    touch "${ED}"/usr/include/{a.h,keep/b.h} "${ED}"/usr/lib64/{x.la,x.so,deep/y.la}
    touch "${ED}"/usr/share/man/man1/x.1 "${ED}"/usr/empty/.keep_me
    ln -s x.so "${ED}"/usr/lib64/z.la
}
""",
}
# What fcaps does where the file system can hold capabilities, in our own few words.
ECLASS = """
fcaps() {
    local caps_mode='711'
    [[ $1 == -M ]] && { caps_mode=$2; shift 2; }
    local caps=$1 file
    [[ ${caps} == *[-=+]* ]] || caps+="=ep"
    for file in "${@:2}"; do
        chmod ${caps_mode} "${EROOT%/}/${file}" && setcap "${caps}" "${EROOT%/}/${file}" || die
    done
}
fcaps_pkg_postinst() {
    local arg args=()
    for arg in "${FILECAPS[@]}" --; do
        if [[ ${arg} == -- ]]; then fcaps "${args[@]}"; args=(); else args+=( "${arg}" ); fi
    done
}
EXPORT_FUNCTIONS pkg_postinst
"""
MASK = "/usr/include -/usr/include/keep *.la /usr/share/man usr/empty"
# What emerge leaves besides the packages' files.
SIDE_EFFECTS = (
    "var/db", "var/cache", "var/lib/portage", "tmp", "var/tmp", "etc/env.d", "etc/profile.env",
    "etc/csh.env", "etc/environment.d", "etc/ld.so.*", "var/lib/gentoo", "etc/ld.so.conf*",
)  # fmt: skip


@pytest.fixture(scope="module", params=["gpkg", "xpak"])
def both(request, tmp_path_factory):
    """The root that emerge filled, our own result, and the place."""
    require_root()
    require_tool("setcap", "setfattr", "bash")
    folder = tmp_path_factory.mktemp("portage")
    place = PortageRoot.create(folder, EBUILDS)
    (folder / "repo/eclass").mkdir()
    (folder / "repo/eclass/fcaps.eclass").write_text(ECLASS)
    # Portage refuses a fifo in a gpkg ("Device file detected"), though it packs it.
    cpvs = [cpv for cpv in EBUILDS if (cpv, request.param) != ("test/fifo-1", "gpkg")]
    atoms = [f"={cpv}" for cpv in cpvs]
    env = {"BINPKG_FORMAT": request.param, "INSTALL_MASK": MASK, "PKGDIR": str(folder / "packages")}
    place.call("emerge", "--quiet", "--buildpkgonly", "--nodeps", *atoms, env=env)
    place.call("emerge", "--quiet", "--usepkgonly", "--oneshot", *atoms, env=env)
    files = {
        cpv: next((folder / "packages").glob(f"{cpv.rsplit('-', 1)[0]}/*.{suffix}"))
        for cpv in cpvs
        for suffix in ["gpkg.tar" if request.param == "gpkg" else "xpak"]
    }
    spool = folder / "spool"
    spool.mkdir()
    ours = install(
        [open_binpkg(files[cpv]) for cpv in cpvs],
        TreeBase(Tree()),
        install_mask=[MASK],
        spool=spool,
        progress=Silent(),
        jobs=2,
    )
    return place, ours


def installed_paths(root: Path) -> dict[str, Path]:
    found = {}
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(folder, name)
            relative = str(path.relative_to(root))
            if not any(
                fnmatch.fnmatch(relative, side) or fnmatch.fnmatch(relative, f"{side}/*")
                for side in SIDE_EFFECTS
            ):
                found[relative] = path
    return found


def on_disk(path: Path) -> dict[str, object]:
    """What Portage left at a path, in the words of ``in_tree``."""
    info = path.lstat()
    kind = {
        stat.S_IFREG: Kind.FILE,
        stat.S_IFDIR: Kind.DIRECTORY,
        stat.S_IFLNK: Kind.SYMLINK,
        stat.S_IFIFO: Kind.FIFO,
    }[stat.S_IFMT(info.st_mode)]
    xattrs = {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
    }
    return {
        "kind": kind,
        "mode": stat.S_IMODE(info.st_mode),
        "owner": (info.st_uid, info.st_gid),
        "target": str(path.readlink()) if kind is Kind.SYMLINK else "",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if kind is Kind.FILE else "",
        "xattrs": xattrs,
        "mtime": int(info.st_mtime) if kind is Kind.FILE else None,
    }


def in_tree(entry) -> dict[str, object]:
    return {
        "kind": entry.kind,
        "mode": entry.mode,
        "owner": (entry.uid, entry.gid),
        "target": entry.target,
        "sha256": entry.content.sha256 if entry.content else "",
        "xattrs": dict(entry.xattrs),
        "mtime": entry.mtime if entry.kind is Kind.FILE else None,
    }


def test_the_same_paths_are_there(both):
    place, ours = both
    theirs = set(installed_paths(place.root))
    alone = {"var", "var/lib", "etc"}  # side effects lie below them as well
    assert {entry.path for entry in ours.tree} - alone == theirs - alone


def test_every_path_is_the_same_in_all_that_a_file_system_knows(both):
    place, ours = both
    theirs = installed_paths(place.root)
    differing = {
        entry.path: (in_tree(entry), on_disk(theirs[entry.path]))
        for entry in ours.tree
        if entry.path not in {"var", "var/lib", "etc"}
        and in_tree(entry) != on_disk(theirs[entry.path])
    }
    assert differing == {}


def test_capabilities_were_among_what_was_compared(both):
    _, ours = both
    for name in ("ping", "other"):
        assert dict(ours.tree[f"usr/bin/{name}"].xattrs).keys() == {"security.capability"}
    assert ours.tree["usr/share/odd/suid"].mode == 0o6711


def test_hard_links_are_the_same_inodes(both):
    place, ours = both
    tokens: dict[str, set[int]] = {}
    for entry in ours.tree:
        if entry.hardlink:
            inode = (place.root / entry.path).lstat().st_ino
            tokens.setdefault(entry.hardlink, set()).add(inode)
    assert [len(inodes) for inodes in tokens.values()] == [1]


def test_nothing_is_a_finding_but_the_directory_that_came_second(both):
    _, ours = both
    assert [finding.key for finding in ours.findings] == [
        "directory-differs:usr/lib64",
        "directory-differs:usr/share/odd/closed",
    ]


def test_contents_name_the_same_files_with_the_same_digests(both):
    place, ours = both
    for cpv in map(str, (package.cpv for package in ours.packages)):
        where = f"var/db/pkg/{cpv}/CONTENTS"
        theirs = parse_contents((place.root / where).read_bytes())
        mine = parse_contents(ours.vdb[where].content.read())
        # The times of symlinks are those of the merge when emerge installs a gpkg.
        assert [(o.kind, o.path, o.md5, o.target) for o in sorted(mine, key=lambda o: o.path)] == [
            (o.kind, o.path, o.md5, o.target) for o in sorted(theirs, key=lambda o: o.path)
        ]


def test_portage_accepts_the_database_that_we_write(both, tmp_path):
    place, ours = both
    cpvs = [str(package.cpv) for package in ours.packages]
    other = PortageRoot.create(tmp_path / "other", EBUILDS)
    (tmp_path / "other/repo/eclass").mkdir()
    (tmp_path / "other/repo/eclass/fcaps.eclass").write_text(ECLASS)
    other.root.rmdir()
    lay_out(ours.tree.updated(ours.vdb), other.root)
    assert other.ask("print(*sorted(vardb.cpv_all()))").decode().split() == sorted(cpvs)
    wanted = [f"={cpv}" for cpv in cpvs]
    env = {"PKGDIR": str(place.folder / "packages")}
    plan = other.call(
        "emerge", "--pretend", "--quiet", "--usepkgonly", "--noreplace", *wanted, env=env
    )
    assert plan.stdout.decode().strip() == ""
    code = (
        "for cpv in sorted(vardb.cpv_all()):\n"
        "    link = vardb._dblink(cpv)\n"
        "    print(cpv, len(link.getcontents()))\n"
    )
    counts = {
        line.split()[0]: int(line.split()[1]) for line in other.ask(code).decode().splitlines()
    }
    for cpv in cpvs:
        contents = ours.vdb[f"var/db/pkg/{cpv}/CONTENTS"].content.read()
        assert counts[cpv] == len(parse_contents(contents))


def test_masks_decide_as_portages_own_class_does():
    from portage.util.install_mask import InstallMask as Theirs

    rng = random.Random(7)
    parts = ["usr", "lib", "lib*", "li?", "[lm]ib", "*.la", "x.la", "share", "*", "a-b", "doc"]
    names = ["usr", "lib", "lib64", "x.la", "share", "a-b", "doc", "m", "mib"]
    hits = 0
    for _ in range(3000):
        words = []
        for _ in range(rng.randint(1, 5)):
            text = "/".join(rng.choice(parts) for _ in range(rng.randint(1, 3)))
            sign, slash, tail = rng.choice(["", "-"]), rng.choice(["", "/"]), rng.choice(["", "/"])
            words.append(sign + slash + text + tail)
        mask = " ".join(words)
        path = "/".join(rng.choice(names) for _ in range(rng.randint(1, 4)))
        for directory in (False, True):
            theirs = Theirs(mask).match(path + "/" if directory else path)
            assert InstallMask([mask]).matches(path, directory=directory) == bool(theirs), (
                mask,
                path,
                directory,
            )
            hits += bool(theirs)
    assert hits > 100

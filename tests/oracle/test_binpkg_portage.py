"""Real Portage builds packages that we read, and reads back what we write."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat

import pytest

from sysextlib.binpkg.binhost import open_binhost
from sysextlib.binpkg.container import open_binpkg
from sysextlib.binpkg.contents import parse_contents
from sysextlib.binpkg.index import read_index
from sysextlib.binpkg.vdb import read_vdb, vdb_entries
from sysextlib.progress import Silent
from sysextlib.tree import Kind, Tree
from tests.builders.needs import require_root, require_tool
from tests.builders.portage_root import PortageRoot

pytestmark = [pytest.mark.oracle, pytest.mark.root]

LONG = "a" * 90 + "/" + "b" * 120
EBUILD = """\
EAPI=8
DESCRIPTION="A thing: with a colon"
HOMEPAGE="https://example.org"
LICENSE="Test"
SLOT="2/2.1"
KEYWORDS="amd64"
IUSE="+on off"
RDEPEND="on? ( app-test/dep:= ) off? ( app-test/none )"
S="${WORKDIR}"
src_install() {
    local share="${ED}/usr/share/thing" long="LONG"
    mkdir -p "${ED}/usr/bin" "${share}/empty" "${share}/${long%/*}" || die
    head -c 300000 /dev/zero | tr '\\0' x > "${share}/large" || die
    echo tool > "${ED}/usr/bin/tool" && chmod 4755 "${ED}/usr/bin/tool" || die
    ln "${ED}/usr/bin/tool" "${ED}/usr/bin/again" || die
    ln -s tool "${ED}/usr/bin/link" || die
    ln -s "$(printf 't%.0s' {1..150})" "${share}/far" || die
    echo deep > "${share}/${long}" || die
    echo blank > "${share}/a name with blanks" || die
    echo u > "${share}/größe-ü" || die
    mkfifo "${share}/pipe" || die
    echo owned > "${share}/owned" && chown 123:456 "${share}/owned" && chmod 640 "${share}/owned"
    printf '' > "${share}/zero"
    truncate -s 3M "${share}/sparse" && echo end >> "${share}/sparse" || die
    keepdir /var/lib/thing
}
""".replace("LONG", LONG)
DEPENDENCY = 'EAPI=8\nDESCRIPTION="d"\nLICENSE="Test"\nSLOT="0/7"\nKEYWORDS="amd64"\n'
CASES = [
    ("gpkg", "zstd", ""),
    ("gpkg", "gzip", ""),
    ("gpkg", "xz", ""),
    ("gpkg", "bzip2", ""),
    ("gpkg", "none", ""),
    ("xpak", "bzip2", ""),
    ("xpak", "zstd", ""),
    ("xpak", "gzip", "-binpkg-multi-instance"),
    ("xpak", "xz", "-binpkg-multi-instance"),
]


@pytest.fixture(scope="module")
def portage(tmp_path_factory):
    require_root()
    require_tool("tar", "zstd", "xz", "bzip2", "gzip", "bash")
    ebuilds = {"app-test/thing-1.5-r2": EBUILD, "app-test/dep-3": DEPENDENCY}
    return PortageRoot.create(tmp_path_factory.mktemp("portage"), ebuilds)


@pytest.fixture(scope="module")
def installed(portage):
    """What real emerge leaves in ROOT when it installs from binary packages alone."""
    # As xpak: Portage itself writes FIFOs into a gpkg, but does not install them from one.
    env = {"BINPKG_FORMAT": "xpak", "BINPKG_COMPRESS": "zstd"}
    portage.call("emerge", "--quiet", "--oneshot", "--buildpkg", "app-test/thing", env=env)
    shutil.rmtree(portage.root)
    portage.root.mkdir()
    portage.call("emerge", "--quiet", "--oneshot", "--usepkgonly", "app-test/thing", env=env)
    return portage.root


def files_of(pkgdir):
    names = (".gpkg.tar", ".xpak", ".tbz2")
    return sorted(path for path in pkgdir.rglob("*") if path.name.endswith(names))


def vdb_files(root):
    folder = root / "var/db/pkg"
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def facts_on_disk(path):
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


@pytest.mark.parametrize(("form", "compression", "features"), CASES)
def test_every_format_that_portage_writes_is_read_as_portage_installs_it(
    portage, installed, tmp_path, form, compression, features
):
    portage.build("app-test/thing", tmp_path, form=form, compression=compression, features=features)
    (path,) = files_of(tmp_path)
    binary = open_binpkg(path)
    assert str(binary.package.cpv) == "app-test/thing-1.5-r2"
    assert (binary.package.slot, binary.package.subslot) == ("2", "2.1")
    assert binary.package.build_id == (0 if features else 1)
    assert binary.package.use >= {"on", "amd64"}
    assert "off" not in binary.package.use
    assert binary.metadata["environment.bz2"].startswith(b"BZh")
    spool = tmp_path / "spool"
    spool.mkdir()
    entries = {entry.path: entry for entry in binary.unpack(spool).entries}
    on_disk = {
        p.relative_to(installed).as_posix(): p
        for top in ("usr", "var/lib")
        for p in [installed / top, *(installed / top).rglob("*")]
        if "portage" not in p.parts
    }
    assert {p for p in entries if p != "var"} == {p for p in on_disk if p != "var/lib/portage"}
    for name, entry in entries.items():
        disk = installed / name
        if entry.kind is not Kind.SYMLINK:
            assert (entry.mode, entry.uid, entry.gid) == facts_on_disk(disk), name
        if entry.kind is Kind.FILE:
            assert entry.content.sha256 == hashlib.sha256(disk.read_bytes()).hexdigest(), name
            assert entry.content.read() == disk.read_bytes(), name
        elif entry.kind is Kind.SYMLINK:
            assert entry.target == str(disk.readlink())
    assert entries["usr/bin/tool"].hardlink == entries["usr/bin/again"].hardlink != ""
    assert entries["usr/share/thing/pipe"].kind is Kind.FIFO


def test_the_index_that_portage_writes_gives_the_packages_that_the_files_hold(portage, tmp_path):
    portage.build("app-test/thing", tmp_path, form="gpkg", compression="zstd")
    portage.build("app-test/thing", tmp_path, form="xpak", compression="bzip2")
    portage.build("app-test/dep", tmp_path, form="xpak", compression="bzip2")
    portage.call("emaint", "binhost", "--fix", env={"PKGDIR": str(tmp_path)})
    index = read_index((tmp_path / "Packages").read_bytes(), "Packages")
    assert len(index.packages) == 3
    binhost = open_binhost(str(tmp_path), tmp_path / "cache", Silent())
    for item in binhost.packages:
        path = binhost.fetch(item)
        held = open_binpkg(path).package
        seen = item.package
        assert (seen.cpv, seen.slot, seen.subslot) == (held.cpv, held.slot, held.subslot)
        assert (seen.build_id, seen.build_time) == (held.build_id, held.build_time)
        assert (seen.use, seen.iuse, seen.eapi) == (held.use, held.iuse, held.eapi)
        assert (seen.repo, seen.defined_phases) == (held.repo, held.defined_phases)
    listed = {(str(i.package.cpv), i.package.build_id, i.path) for i in binhost.packages}
    (tmp_path / "Packages").unlink()
    scanned = open_binhost(str(tmp_path), tmp_path / "cache", Silent())
    assert {(str(i.package.cpv), i.package.build_id, i.path) for i in scanned.packages} == listed


def test_a_vdb_that_portage_wrote_is_read(portage, installed):
    packages = {p.cpv.pf: p for p in read_vdb(vdb_files(installed))}
    assert set(packages) == {"thing-1.5-r2", "dep-3"}
    assert packages["thing-1.5-r2"].repo == "test"
    assert packages["thing-1.5-r2"].rdepend.split() == ["app-test/dep:0/7="]


def test_our_vdb_entry_is_the_one_that_portage_writes_for_the_same_package(
    portage, installed, tmp_path
):
    (path,) = (p for p in files_of(portage.folder / "packages") if p.name.startswith("thing"))
    binary = open_binpkg(path)
    tree = Tree(binary.unpack(tmp_path).entries)
    ours = {
        entry.name: entry.content.read()
        for entry in vdb_entries(binary.package, binary.metadata, tree, 2)
        if entry.content
    }
    theirs = {
        p.rpartition("/")[2]: data for p, data in vdb_files(installed).items() if "/thing-" in p
    }
    # Portage merges, and therefore lists, in the order of its file system.
    assert ours["CONTENTS"].splitlines() == sorted(theirs["CONTENTS"].splitlines(), key=path_of)
    # The package file's MD5, and a copy of the other keys that spares Portage opening each.
    assert set(theirs) - set(ours) == {"BINPKGMD5", "metadata"}
    assert set(ours) <= set(theirs)
    assert {key for key in ours if ours[key] != theirs[key]} <= {
        "CONTENTS",
        "environment.bz2",  # names the phases that ran in this very merge
        "COUNTER",
    }


def path_of(line):
    (owned,) = parse_contents(line)
    return owned.path


def test_portage_reads_back_the_vdb_that_we_write_and_finds_nothing_to_do(
    portage, installed, tmp_path_factory
):
    again = PortageRoot.create(
        tmp_path_factory.mktemp("again"),
        {"app-test/thing-1.5-r2": EBUILD, "app-test/dep-3": DEPENDENCY},
    )
    packages = portage.folder / "packages"
    owned = {}
    for counter, path in enumerate(files_of(packages), start=1):
        binary = open_binpkg(path)
        entries = binary.unpack(again.folder / "tmp").entries
        owned[str(binary.package.cpv)] = entries
        for entry in vdb_entries(binary.package, binary.metadata, Tree(entries), counter):
            target = again.root / entry.path
            if entry.content:
                target.write_bytes(entry.content.read())
            else:
                target.mkdir(parents=True, exist_ok=True)
    said = json.loads(
        again.ask(
            "import json\n"
            "keys = ['SLOT', 'USE', 'IUSE', 'EAPI', 'repository', 'RDEPEND', 'COUNTER']\n"
            "from portage.dbapi.vartree import dblink\n"
            "print(json.dumps({c: [vardb.aux_get(c, keys), {k: list(v) for k, v in "
            "vardb._dblink(c).getcontents().items()}] for c in map(str, vardb.cpv_all())}))\n"
        )
    )
    assert set(said) == set(owned)
    values, contents = said["app-test/thing-1.5-r2"]
    assert values[0] == "2/2.1"
    assert "on" in values[1].split()
    assert values[4:6] == ["test", "app-test/dep:0/7="]
    root = str(again.root)
    kinds = {path.removeprefix(f"{root}/"): what for path, what in contents.items()}
    tree = Tree(owned["app-test/thing-1.5-r2"])
    assert set(kinds) == {entry.path for entry in tree}
    tool = hashlib.md5(b"tool\n").hexdigest()
    assert kinds["usr/bin/tool"] == ["obj", str(tree["usr/bin/tool"].mtime), tool]
    assert kinds["usr/bin/link"][2] == "tool"
    assert again.call("portageq", "match", f"{root}/", "app-test/thing").stdout == (
        b"app-test/thing-1.5-r2\n"
    )
    env = {"PKGDIR": str(packages)}
    argv = ["--pretend", "--usepkgonly", "--update", "--deep", "--newuse", "app-test/thing"]
    output = again.call("emerge", *argv, env=env).stdout.decode()
    assert "Total: 0 packages" in output or "[binary" not in output, output
    argv = ["--pretend", "--usepkgonly", "app-test/thing"]
    assert b"[binary" in again.call("emerge", *argv, env=env).stdout

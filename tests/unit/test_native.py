import bz2

import pytest

from sysextlib.binpkg.container import open_binpkg
from sysextlib.errors import MergeConflictError, PackageError
from sysextlib.findings import Severity
from sysextlib.install.native import install
from sysextlib.progress import Silent
from sysextlib.tree import Entry, Tree, directory_entry, file_entry, link_entry
from tests.builders.base import TreeBase, tree_of
from tests.builders.binpkg import PackageSpec, linked, write_package

BASE = TreeBase(
    tree_of(
        {"lib64": "usr/lib64", "bin": "usr/bin", "usr/lib64": None, "usr/bin/bash": b"bash"},
        directory_entry("usr", mode=0o711),
    )
)
ENVIRONMENT = {"environment.bz2": bz2.compress(b"")}


@pytest.fixture
def merge(tmp_path):
    def run(*specs, base=BASE, **options):
        spool = tmp_path / "spool"
        spool.mkdir()
        packages = [open_binpkg(write_package(tmp_path / "pkgs", spec)) for spec in specs]
        return install(packages, base, spool=spool, progress=Silent(), **options)

    return run


def package(cpv, *entries: Entry, **metadata):
    folders = {parent: directory_entry(parent) for e in entries for parent in parents_of(e.path)}
    own = {entry.path: entry for entry in entries}
    tree = Tree({**folders, **own}.values())
    return PackageSpec(cpv=cpv, metadata={**ENVIRONMENT, **metadata}, entries=list(tree))


def parents_of(path):
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def test_packages_become_one_tree_that_says_who_brought_what(merge):
    got = merge(
        package("a/one-1", file_entry("usr/bin/one", b"1")),
        package("a/two-1", file_entry("etc/two.conf", b"2")),
        jobs=2,
    )
    assert {e.path: e.origin for e in got.tree if e.content} == {
        "usr/bin/one": "a/one-1",
        "etc/two.conf": "a/two-1",
    }
    assert [str(p.cpv) for p in got.packages] == ["a/one-1", "a/two-1"]


def test_contents_can_be_read_from_the_spool_afterwards(merge):
    got = merge(package("a/one-1", file_entry("usr/bin/one", b"bytes")))
    assert got.tree["usr/bin/one"].content.read() == b"bytes"


def test_the_bases_symlinks_are_followed(merge):
    got = merge(package("a/one-1", file_entry("lib64/one.so", b""), file_entry("bin/x", b"")))
    assert [entry.path for entry in got.tree] == [
        "usr",
        "usr/bin",
        "usr/bin/x",
        "usr/lib64",
        "usr/lib64/one.so",
    ]


def test_symlinks_of_earlier_packages_are_followed(merge):
    got = merge(
        package("a/layout-1", link_entry("usr/lib32", "lib64")),
        package("a/one-1", file_entry("usr/lib32/one.so", b"")),
    )
    assert "usr/lib64/one.so" in got.tree


def test_a_symlink_whose_target_does_not_exist_yet_is_followed_too(merge):
    got = merge(
        package("a/layout-1", link_entry("usr/new", "later/on")),
        package("a/one-1", file_entry("usr/new/f", b"")),
    )
    assert got.tree["usr/new"].target == "later/on"
    assert "usr/later/on/f" in got.tree


def test_the_first_packages_directory_mode_stays(merge):
    got = merge(
        package("a/one-1", directory_entry("usr/x", mode=0o700), file_entry("usr/x/1", b"")),
        package("a/two-1", directory_entry("usr/x", mode=0o755), file_entry("usr/x/2", b"")),
    )
    assert got.tree["usr/x"].mode == 0o700
    assert "directory-differs:usr/x" in [finding.key for finding in got.findings]


def test_directories_that_lead_to_a_file_come_from_the_base(merge):
    spec = PackageSpec(cpv="a/one-1", metadata=ENVIRONMENT, entries=[file_entry("usr/one", b"")])
    assert merge(spec).tree["usr"].mode == 0o711


def test_one_path_with_different_content_names_both_owners_and_digests(merge):
    with pytest.raises(MergeConflictError) as caught:
        merge(
            package("a/one-1", file_entry("usr/x", b"1"), file_entry("usr/y", b"1")),
            package("a/two-1", file_entry("usr/x", b"2"), file_entry("usr/y", b"2")),
        )
    assert list(caught.value.facts) == ["/usr/x", "/usr/y"]
    said = caught.value.facts["/usr/x"]
    assert said == (
        "a/one-1 and a/two-1: content sha256 6b86b273ff34fce1... and d4735e3a265e16ee..."
    )


def test_identical_files_are_allowed_and_noted(merge):
    got = merge(
        package("a/one-1", file_entry("usr/x", b"1", mtime=5)),
        package("a/two-1", file_entry("usr/x", b"1", mtime=6)),
    )
    assert got.tree["usr/x"].mtime == 5
    assert [(f.key, f.severity) for f in got.findings] == [("duplicate-file:usr/x", Severity.NOTE)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (file_entry("usr/x", b""), file_entry("usr/x/y", b"")),
        (file_entry("usr/x/y", b""), file_entry("usr/x", b"")),
        (file_entry("usr/x/y", b""), link_entry("usr/x", "elsewhere")),
        (link_entry("usr/x", "loop"), file_entry("usr/x/y", b"")),
    ],
    ids=["file, directory", "directory, file", "directory, symlink", "symlink to file, directory"],
)
def test_what_is_in_the_way_is_an_error(merge, first, second):
    loop = file_entry("usr/loop", b"")
    with pytest.raises(MergeConflictError, match="packages") as caught:
        merge(package("a/one-1", first, loop), package("a/two-1", second))
    assert "/usr/x" in str(caught.value)


def test_a_directory_that_a_package_only_implies_is_one_all_the_same(merge):
    implied = PackageSpec(
        cpv="a/one-1", metadata=ENVIRONMENT, entries=[file_entry("usr/new/f", b"", mtime=3)]
    )
    with pytest.raises(MergeConflictError, match="usr/new"):
        merge(implied, package("a/two-1", link_entry("usr/new", "bin")))


def test_a_circle_of_symlinks_is_an_error(merge):
    one = package("a/one-1", link_entry("usr/p", "q"), link_entry("usr/q", "p"))
    with pytest.raises(MergeConflictError) as caught:
        merge(one, package("a/two-1", file_entry("usr/p/f", b"")))
    assert "lead nowhere" in str(caught.value)


def test_a_file_of_the_base_is_not_a_directory(merge):
    with pytest.raises(MergeConflictError, match="usr/bin/bash"):
        merge(package("a/one-1", file_entry("usr/bin/bash/x", b"")))


def test_a_compatibility_link_into_a_joined_directory_disappears(merge):
    base = TreeBase(tree_of({"lib": "usr/lib", "usr/lib/fw/a": b""}))
    got = merge(package("a/one-1", link_entry("lib/fw", "/usr/lib/fw")), base=base)
    assert "usr/lib/fw" not in got.tree


def test_hard_links_of_different_packages_stay_apart(merge):
    def pair(cpv):
        name = cpv[2:5]
        files = linked(file_entry(f"{name}1", b"x"), file_entry(f"{name}2", b"x"))
        return PackageSpec(cpv=cpv, metadata=ENVIRONMENT, entries=files)

    tree = merge(pair("a/one-1"), pair("a/two-1")).tree
    assert tree["one1"].hardlink == tree["one2"].hardlink != tree["two1"].hardlink
    assert tree["one1"].hardlink


def test_masked_paths_are_left_out_and_named(merge):
    entries = [file_entry("usr/include/a.h", b""), file_entry("usr/bin/a", b"")]
    got = merge(package("a/one-1", *entries), install_mask=["/usr/include *.la"])
    assert got.masked == ("usr/include", "usr/include/a.h")
    assert [e.path for e in got.tree if e.content] == ["usr/bin/a"]
    assert b"include" not in got.vdb["var/db/pkg/a/one-1/CONTENTS"].content.read()


def test_vdb_entries_count_on_from_the_base(merge):
    got = merge(package("a/one-1"), package("a/two-1"), counter=41)
    counters = [got.vdb[f"var/db/pkg/a/{n}-1/COUNTER"].content.read() for n in ("one", "two")]
    assert counters == [b"42", b"43"]


def test_vdb_entries_are_left_out_when_no_one_wants_them(merge):
    assert len(merge(package("a/one-1"), record=False).vdb) == 0


def fcaps_environment(*lines):
    return bz2.compress("\n".join(lines).encode() + b"\n")


def test_fcaps_becomes_an_xattr_on_every_name_of_the_file(merge):
    environment = fcaps_environment(
        'declare -a FILECAPS=([0]="cap_net_raw" [1]="bin/ping")',
        "fcaps () \n{ \n    local caps_mode='711'\n}",
        "pkg_postinst () \n{ \n    fcaps_pkg_postinst\n}",
    )
    metadata = {"environment.bz2": environment, "DEFINED_PHASES": "postinst", "USE": "filecaps"}
    entries = linked(
        file_entry("usr/bin/ping", b"p", mode=0o755), file_entry("usr/bin/ping6", b"p", mode=0o755)
    )
    tree = merge(PackageSpec(cpv="a/one-1", metadata=metadata, entries=entries)).tree
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    for name in ("ping", "ping6"):
        assert tree[f"usr/bin/{name}"].xattrs == (("security.capability", value),)
        assert tree[f"usr/bin/{name}"].mode == 0o711


def test_capabilities_for_a_file_that_is_not_there_are_a_finding(merge):
    environment = fcaps_environment(
        "pkg_postinst () \n{ \n    fcaps cap_net_raw usr/bin/gone usr/bin/masked\n}"
    )
    metadata = {"environment.bz2": environment, "DEFINED_PHASES": "postinst", "USE": "filecaps"}
    spec = PackageSpec(
        cpv="a/one-1", metadata=metadata, entries=[file_entry("usr/bin/masked", b"")]
    )
    got = merge(spec, install_mask=["masked"])
    assert [(finding.key, finding.severity) for finding in got.findings] == [
        ("no-file-for-capability:a/one:usr/bin/gone", Severity.ERROR),
        ("no-file-for-capability:a/one:usr/bin/masked", Severity.NOTE),
    ]


def test_an_acknowledged_finding_is_lowered_and_keeps_its_reason(merge):
    environment = fcaps_environment("pkg_postinst () \n{ \n    launch-missiles\n}")
    spec = package("a/one-1", **{"environment.bz2": environment, "DEFINED_PHASES": "postinst"})
    key = "unrun-phase:a/one:pkg_postinst"
    (finding,) = merge(spec, acknowledged={key: "none on board"}).findings
    assert finding.key == key
    assert finding.severity is Severity.ACKNOWLEDGED
    assert "none on board" in finding.message


def test_an_account_package_without_a_sysusers_file_gets_one(merge):
    environment = fcaps_environment(
        'declare -- ACCT_USER_ID="233"',
        'declare -a ACCT_USER_GROUPS=([0]="docker" [1]="kvm")',
        'declare -- DESCRIPTION="Runs 100% of \\"docker\\""',
    )
    tree = merge(package("acct-user/docker-0", **{"environment.bz2": environment})).tree
    assert tree["usr/lib/sysusers.d/acct-user-docker.conf"].content.read().decode() == (
        'u docker 233:docker "Runs 100%% of \\"docker\\"" "/dev/null" "/sbin/nologin"\n'
        "m docker kvm\n"
    )


def test_an_account_package_with_a_sysusers_file_keeps_it(merge):
    path = "usr/lib/sysusers.d/acct-group-docker.conf"
    tree = merge(package("acct-group/docker-0", file_entry(path, b"g docker 233\n"))).tree
    assert tree[path].content.read() == b"g docker 233\n"


def test_an_account_without_a_number_is_an_error(merge):
    with pytest.raises(PackageError, match="acct-group/docker-0"):
        merge(package("acct-group/docker-0"))


def test_an_account_whose_variables_bash_would_not_write_is_refused(merge):
    environment = bz2.compress(b"declare -- ACCT_GROUP_ID=$'\\q'\n")
    with pytest.raises(PackageError, match="does not say what its account is"):
        merge(package("acct-group/docker-0", **{"environment.bz2": environment}))


def test_the_order_of_unpacking_does_not_show_in_the_result(merge, tmp_path):
    specs = [package(f"a/p{i}-1", file_entry(f"usr/share/f{i}", b"%d" % i)) for i in range(8)]
    one = merge(*specs, jobs=4)
    (tmp_path / "spool").rename(tmp_path / "other")
    two = merge(*specs, jobs=1)
    assert one.tree.digest() == two.tree.digest()
    assert one.vdb.digest() == two.vdb.digest()


def test_whatever_a_damaged_environment_is_it_is_a_package_error(merge):
    with pytest.raises(PackageError, match=r"environment\.bz2 of a/one-1"):
        merge(package("a/one-1", **{"environment.bz2": b"BZh9 no more"}))

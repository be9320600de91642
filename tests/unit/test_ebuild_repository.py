"""Repositories, their caches and profiles, from files that the tests write."""

import os

import pytest

from sysextlib.ebuild.generate import Evaluator, MetadataStore, write_metadata
from sysextlib.ebuild.md5_cache import parse_entry, render_entry
from sysextlib.ebuild.profile import load_profile, package_of
from sysextlib.ebuild.repository import Ebuild, open_repositories
from sysextlib.errors import EbuildError
from sysextlib.gentoo.cpv import Cpv
from sysextlib.progress import Silent
from tests.builders.ebuild_repo import ebuild, evaluate, write_repository


def run(*paths, out=None, check=False, jobs=1):
    return write_metadata(paths, progress=Silent(), out=out, jobs=jobs, check=check)


@pytest.fixture
def repo(tmp_path):
    files = {
        "a/one/one-1.ebuild": ebuild(inherit="e", IUSE="x"),
        "a/one/one-2.ebuild": ebuild(),
        "b/two/two-1-r1.ebuild": ebuild(inherit="e"),
        "eclass/e.eclass": 'RDEPEND="a/one"\n',
    }
    return write_repository(tmp_path / "test", files)


def test_entries_are_written_where_portage_keeps_them(repo):
    report = run(repo)
    assert (report.written, report.unchanged, report.ok) == (3, 0, True)
    entry = (repo / "metadata/md5-cache/b/two-1-r1").read_text()
    assert entry.startswith("DEFINED_PHASES=-\nDESCRIPTION=d\nEAPI=8\nINHERIT=e\n")
    assert "RDEPEND=a/one\n" in entry
    assert "\n_eclasses_=e\t" in entry


def test_only_what_changed_is_evaluated_again(repo):
    run(repo)
    assert run(repo).unchanged == 3
    (repo / "a/one/one-2.ebuild").write_text(ebuild(IUSE="new"))
    assert (run(repo).written, run(repo).written) == (1, 0)
    (repo / "eclass/e.eclass").write_text('RDEPEND="b/new"\n')
    assert run(repo).written == 2


def test_entries_whose_ebuild_is_gone_are_removed(repo):
    run(repo)
    (repo / "a/one/one-2.ebuild").unlink()
    assert run(repo).removed == ("test/a/one-2",)


def test_a_damaged_entry_is_written_again(repo):
    run(repo)
    (repo / "metadata/md5-cache/a/one-1").write_text("rubbish\n")
    assert run(repo).written == 1


def test_check_names_the_keys_that_differ_and_writes_nothing(repo):
    run(repo)
    path = repo / "metadata/md5-cache/a/one-1"
    path.write_text(path.read_text().replace("IUSE=x", "IUSE=y"))
    (repo / "metadata/md5-cache/a/one-2").unlink()
    report = run(repo, check=True)
    found = [(d.name, d.key, d.found, d.expected) for d in report.differences]
    assert found == [("a/one-1::test", "IUSE", "y", "x"), ("a/one-2::test", "", "", "")]
    assert not report.ok
    assert not (repo / "metadata/md5-cache/a/one-2").exists()


def test_a_wrong_ebuild_does_not_stop_the_others(repo):
    (repo / "a/one/one-3.ebuild").write_text('EAPI=8\nX="\n')
    (repo / "a/one/one-x.ebuild").write_text(ebuild())
    (repo / "a/one/other-1.ebuild").write_text(ebuild())
    (repo / "a/one/one-4.ebuild").write_bytes(b"\0\1\2")
    report = run(repo)
    assert report.written == 3
    assert len(report.failures) == 4
    assert all(failure.error.facts["file"] for failure in report.failures)


def test_two_processes_write_what_one_writes(tmp_path):
    files = {f"a/p{n}/p{n}-1.ebuild": ebuild(IUSE=f"f{n}") for n in range(60)}
    path = write_repository(tmp_path / "test", files)
    for jobs in (1, 2):
        assert run(path, out=tmp_path / str(jobs), jobs=jobs).written == 60
    one, two = (
        {p.name: p.read_bytes() for p in (tmp_path / str(jobs)).rglob("p*") if p.is_file()}
        for jobs in (1, 2)
    )
    assert one == two


def test_eclasses_come_from_the_repository_itself_then_from_its_masters(tmp_path):
    base = {"eclass/e.eclass": "IUSE=base\n", "eclass/f.eclass": "IUSE+=f\n"}
    write_repository(tmp_path / "base", base, name="base")
    own = {
        "a/one/one-1.ebuild": ebuild(inherit="e f"),
        "eclass/e.eclass": "IUSE=own\n",
    }
    path = write_repository(tmp_path / "over", own, name="over", masters="base")
    run(path)
    assert "IUSE=own f\n" in (path / "metadata/md5-cache/a/one-1").read_text()
    assert not (tmp_path / "base/metadata/md5-cache").exists()


def test_a_missing_master_is_named(tmp_path):
    path = write_repository(tmp_path / "over", {}, masters="nowhere")
    with pytest.raises(EbuildError, match="nowhere"):
        open_repositories([path])


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    with pytest.raises(EbuildError, match="no ebuild repository"):
        run(tmp_path)


def test_an_unreadable_cache_is_an_error_for_its_ebuild(repo):
    (repo / "metadata/md5-cache/a/one-1").mkdir(parents=True)
    report = run(repo)
    assert report.written == 2
    assert [failure.name for failure in report.failures] == ["a/one-1::test"]


def test_an_entry_is_read_as_it_was_written():
    found = evaluate('IUSE="b a"\nDESCRIPTION="x = y"\n')
    assert parse_entry(render_entry(found), "x") == found


def test_a_store_evaluates_once_and_keeps_the_rest(repo, tmp_path):
    repositories = open_repositories([repo])
    (found, *_) = (e for e in repositories["test"].ebuilds() if isinstance(e, Ebuild))
    store = MetadataStore(Evaluator(repositories), tmp_path / "cache")
    assert store.metadata(found).value("IUSE") == "x"
    kept = tmp_path / "cache/test/a/one-1"
    kept.write_bytes(kept.read_bytes().replace(b"IUSE=x", b"IUSE=kept"))
    again = MetadataStore(Evaluator(repositories), tmp_path / "cache")
    assert again.metadata(found).value("IUSE") == "kept"
    os.utime(kept)


PROFILE = {
    "profiles/base/make.defaults": 'ARCH="amd64"\nACCEPT_KEYWORDS="amd64"\nUSE="a b"\n'
    'USE_EXPAND="PY ELIBC"\nUSE_EXPAND_IMPLICIT="ELIBC"\nUSE_EXPAND_VALUES_ELIBC="glibc musl"\n'
    'PY="p1 p2"\nELIBC="glibc"\nIUSE_IMPLICIT="prefix"\n',
    "profiles/base/use.mask": "masked\n",
    "profiles/base/use.force": "forced\n",
    "profiles/base/package.mask": ">=a/one-2\nb/two\n",
    "profiles/base/package.provided": "a/given-1\n",
    "profiles/top/parent": "../base\n",
    "profiles/top/make.defaults": 'USE="-b c ${EXTRA}"\nPY="-p1 p3"\n',
    "profiles/top/package.use": "a/one x PY: p9\n",
    "profiles/top/package.use.mask": "a/one y\n",
    "profiles/top/use.mask": "-masked\n",
    "profiles/top/package.mask": "-b/two\n",
}
FLAGS = "a b c x +y +d masked forced py_p1 py_p2 py_p3 py_p9 elibc_glibc"


@pytest.fixture
def profile(tmp_path):
    path = write_repository(tmp_path / "test", PROFILE)
    return load_profile(path / "profiles/top", open_repositories([path]))


def test_flags_add_up_over_the_profile_and_the_ebuild(profile):
    found = evaluate(f'IUSE="{FLAGS}"\nKEYWORDS="amd64"\n', cpv="a/one-1")
    package = package_of(Cpv.parse("a/one-1"), found)
    on = profile.use(package, user=("-a", "masked"))
    assert on == {*("c", "x", "d", "masked", "forced", "py_p2", "py_p3", "py_p9", "elibc_glibc")}


def test_implicit_flags_count_from_eapi_5(profile):
    cpv = Cpv.parse("a/one-1")
    found = package_of(cpv, evaluate("IUSE=a\n"))
    assert profile.iuse_effective(found) == {"a", "prefix", "elibc_glibc", "elibc_musl"}
    found = package_of(cpv, evaluate("IUSE=a\n", eapi="4"))
    assert profile.iuse_effective(found) == {"a", "amd64"}


@pytest.mark.parametrize(
    ("keywords", "accepted"),
    [("amd64", True), ("~amd64", False), ("-* amd64", True), ("", False), ("arm64", False)],
)
def test_keywords_decide_what_may_be_used(profile, keywords, accepted):
    found = evaluate(f'KEYWORDS="{keywords}"\n')
    assert profile.accepts(package_of(Cpv.parse("a/one-1"), found)) is accepted


def test_masks_are_taken_back_by_later_profiles(profile):
    found = evaluate("SLOT=0\n")
    assert str(profile.mask_of(package_of(Cpv.parse("a/one-2"), found))) == ">=a/one-2"
    assert profile.mask_of(package_of(Cpv.parse("a/one-1"), found)) is None
    assert profile.mask_of(package_of(Cpv.parse("b/two-1"), found)) is None
    assert [str(cpv) for cpv in profile.provided] == ["a/given-1"]


def test_a_profile_that_is_its_own_parent_is_refused(tmp_path):
    files = {"profiles/a/parent": "../b\n", "profiles/b/parent": "../a\n"}
    path = write_repository(tmp_path / "test", files)
    with pytest.raises(EbuildError, match="its own parent"):
        load_profile(path / "profiles/a", open_repositories([path]))


def test_parents_that_double_at_every_step_are_refused(tmp_path):
    files = {f"profiles/p{n}/parent": f"../p{n + 1}\n" * 2 for n in range(40)}
    path = write_repository(tmp_path / "test", files | {"profiles/p40/eapi": "8\n"})
    with pytest.raises(EbuildError, match="more than 1000 parents"):
        load_profile(path / "profiles/p0", open_repositories([path]))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("parent", "a\0b\n", "NUL"),
        ("package.mask", "a/b\0\n", "NUL"),
        ("parent", "x" * 300 + "\n", "cannot be read"),
        ("make.defaults", "A=aaaa\n" + 'A="$A$A"\n' * 60, "more than"),
    ],
)
def test_a_broken_file_of_a_profile_is_refused(tmp_path, name, text, told):
    path = write_repository(tmp_path / "test", {f"profiles/a/{name}": text})
    with pytest.raises(EbuildError, match=told):
        load_profile(path / "profiles/a", open_repositories([path]))


def test_a_profile_that_is_a_link_to_itself_is_refused(tmp_path):
    path = write_repository(tmp_path / "test", {"profiles/a/parent": "../loop\n"})
    (path / "profiles/loop").symlink_to("loop")
    with pytest.raises(EbuildError, match="cannot be read"):
        load_profile(path / "profiles/a", open_repositories([path]))

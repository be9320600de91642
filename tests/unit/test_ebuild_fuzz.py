"""Damaged ebuilds: refused or read, never a traceback; ci/fuzz-ebuilds looks for longer."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysextlib.ebuild.parts import parse_parts, plain_text
from sysextlib.ebuild.profile import load_profile
from sysextlib.ebuild.repository import open_repositories
from sysextlib.errors import EbuildError, SysextError
from tests.builders.ebuild_repo import evaluate, write_repository
from tests.builders.shell_scripts import SCRIPTS

ECLASS = """
case ${EAPI} in 7|8) ;; *) die "EAPI ${EAPI}" ;; esac
if [[ -z ${_E} ]]; then
_E=1
inherit f
_e_globals() {
	local a=( {1..3} ) x
	for x in "${a[@]/#/e}"; do IUSE+=" ${x//[^a-z0-9]/_}"; done
	[[ ${PV} =~ ^([0-9]+)\\. ]] && E_MAJOR=${BASH_REMATCH[1]}
	printf -v E_TEXT '%s-%02d' "$(ver_cut 1-2)" "$(( E_MAJOR + 1 ))"
}
_e_globals
fi
EXPORT_FUNCTIONS src_test
e_src_test() { :; }
"""
TEXT = """
inherit e
DESCRIPTION="some \\"quoted\\" text"
SRC_URI="https://h/${P}.tar.gz -> ${PN}-${PV/_p/.}.tar.gz
	test? ( ${E_TEXT} )"
case ${PV} in 9999) inherit git ;; *) KEYWORDS="~amd64" ;; esac
declare -A M=( [a]=1 ["b c"]=2 )
for k in "${!M[@]}"; do IUSE+=" ${k// /-}"; done
src_install() {
	cat > x <<-EOF
		${ED} }
	EOF
	sed -e 's:a:b:' || die "no $(echo "x" | tr x y)"
}
(( ${#M[@]} == 2 )) && RDEPEND="a/b:=[c(+)?]"
"""
TOKENS = (
    "$( ${ (( )) [[ ]] <<EOF if fi do done case esac ;; while eval local declare set shift return "
    "${!x} ${a[@]} {1..99999} x+=$x$x EAPI= =( $(( <<<"
)
PIECES = st.sampled_from(
    [
        *"\"'`$(){}[]<>|&;#\\!*?~=+-/%:,@^\n\t \x01é",
        *(f"{token} " for token in TOKENS.split()),
        "EOF\n",
        "while :; do ",
        "f() { f; }; f",
        "inherit e",
        "=~ (a*)*b",
    ]
)
SOURCES = st.sampled_from([TEXT, ECLASS, *(script for script, _ in SCRIPTS)])


@settings(max_examples=400, deadline=None)
@given(SOURCES, st.lists(st.tuples(st.integers(0, 900), st.integers(0, 30), PIECES), max_size=5))
def test_a_damaged_ebuild_is_read_or_refused(text, edits):
    for at, cut, piece in edits:
        text = text[:at] + piece + text[at + cut :]
    try:
        found = evaluate(text, eclasses={"e": ECLASS, "f": ":\n", "git": "IUSE=git\n"})
    except SysextError as error:
        if not str(error):
            pytest.fail("an error that says nothing")
    else:
        assert "\n" not in "".join(found.values.values())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_binary_files_are_read_or_refused(data):
    try:
        evaluate(data.decode("utf-8", "surrogateescape"))
    except SysextError as error:
        if not str(error):
            pytest.fail("an error that says nothing")


@given(st.text(alphabet="ab \t'\"\\$*?[]{}`()<>|&;#~\n", max_size=40))
def test_text_in_single_quotes_stands_for_itself(text):
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert plain_text(parse_parts(quoted)) == text


LISTS = ("package.use", "use.mask", "package.mask", "package.accept_keywords", "package.provided")
LINES = st.lists(
    st.sampled_from(
        [*"\"'$#\\=-*:/ \n~<>{}()", "a/b", "USE=", "-x", "\n", ">=a/b-1", "${USE}", "*/*", "é"]
    ),
    max_size=20,
).map("".join)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    repo = write_repository(tmp_path_factory.mktemp("repo"), {"profiles/p/make.defaults": ""})
    return repo / "profiles/p", open_repositories([repo])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(LISTS), LINES, LINES)
def test_damaged_profiles_are_read_or_refused(profile, name, lines, defaults):
    folder, repositories = profile
    (folder / "make.defaults").write_text(defaults)
    (folder / name).write_text(lines)
    try:
        with contextlib.suppress(EbuildError):
            load_profile(folder, repositories)
    finally:
        (folder / name).unlink()

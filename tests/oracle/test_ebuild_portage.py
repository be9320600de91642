"""Real Portage regenerates the metadata of our own ebuilds, and every key is compared."""

from pathlib import Path

import pytest

from sysextlib.ebuild.generate import write_metadata
from sysextlib.ebuild.md5_cache import parse_entry
from sysextlib.ebuild.metadata import KEYS
from sysextlib.progress import Silent
from tests.builders.needs import require_root
from tests.builders.portage_root import PortageRoot

pytestmark = [pytest.mark.oracle, pytest.mark.root, pytest.mark.slow]

ECLASSES = {
    "base": """
IUSE="eb" RDEPEND="e/base" BDEPEND="e/tool" RESTRICT="mirror" PROPERTIES="live"
base_src_compile() { :; }
base_pkg_setup() { :; }
EXPORT_FUNCTIONS src_compile pkg_setup
declare lost=1
declare -g kept=2
""",
    "outer": """
case ${EAPI} in 5|6|7|8) ;; *) die "${ECLASS}: EAPI ${EAPI}" ;; esac
if [[ -z ${_OUTER} ]]; then
_OUTER=1
inherit base
_outer_globals() {
	local impl list=() i
	for impl in "${OUTER_COMPAT[@]}"; do
		[[ ${impl} == @(a|b)* ]] && list+=( "${impl/-/_}" )
	done
	: "${OUTER_REQ:="|| ( ${list[*]} )"}"
	IUSE="${list[*]/#/outer_}"
	(( ${#list[@]} > 1 )) && REQUIRED_USE=${OUTER_REQ}
	return 0
}
_outer_globals
fi
outer_dep() {
	local u
	for u in ${IUSE}; do echo "${1}[${u%%_*}(-)?]"; done
}
IUSE+=" always"
outer_src_compile() { :; }
EXPORT_FUNCTIONS src_compile
""",
}
HEAD = 'DESCRIPTION="d"\nSLOT="0"\nKEYWORDS="amd64"\n'
BODIES = {
    "plain": 'HOMEPAGE="https://h/${PN}"\nLICENSE="Test"\n',
    "arrays": 'A=( {a..c} "d e" )\nIUSE="${A[*]:1:2} ${#A[@]} ${!A[*]} ${A[@]^^}"\n',
    "words": 'DESCRIPTION="-n  a\n*  [b]"\nHOMEPAGE="-e a\\\\tb"\nLICENSE="a  b\tc"\n',
    "inherits": 'OUTER_COMPAT=( a-1 b-2 c-3 )\ninherit outer\nDEPEND="$(outer_dep x/y)"\n'
    'IUSE+=" own lost-${lost-no} kept-${kept}"\nRESTRICT="test"\n',
    "twice": 'IUSE="first"\ninherit base\ninherit base outer\nRDEPEND+=" o/r"\n',
    "versions": 'IUSE="a$(ver_cut 2-) b$(ver_rs 1- _) c$(ver_rs 2 - 1.2b3-a4)"\n'
    'IUSE+=" d$(ver_cut 0-1 .1.2)"\n'
    'ver_test 1.10 -gt 1.9 && IUSE+=" gt"\n:\n',
    "phases": "src_install() { :; }\npkg_pretend() { :; }\nsrc_other() { :; }\nunset -f nope\n",
    "globs": 'IUSE="x"\nY=( /nonexistent* )\nIUSE+=" reached"\n',
    "regex": '[[ ${PV} =~ ^([0-9]+)\\.([0-9]+) ]] && IUSE="r${BASH_REMATCH[2]}"\n:\n',
    "splits": 'V=${PV//./ }\nset -- ${V%%_*}\nIUSE="n$# l${!#}"\nIFS=. read -r M _ <<< "${PV}"\n'
    'IUSE+=" m${M}"\n',
    "assoc": 'declare -A M\nfor i in {1..9}; do M[k${i}]=${i}; done\nIUSE="${!M[*]} ${M[k3]}"\n',
    "case": 'case ${PV} in 1.*_p*) IUSE=m1 ;;& *_p4) IUSE+=" m2" ;& *) IUSE+=" m3" ;; esac\n',
    "unicode": 'DESCRIPTION="Grüße — ünï"\n',
    "bytes": 'DESCRIPTION="a\udce9 \u00a0"\nHOMEPAGE="-e \\\\tb"\n',
    "feed": "IUSE=$'a\\fb'\n",
    "failing": "[[ ${PV} == 9999 ]] && IUSE=y\n",
    "external": "IUSE=$(cat /etc/hostname)\n",
    "unclosed": 'IUSE="a\n',
    "missing": "inherit nowhere\n",
    "dies": "die no\n",
    "last": ": a b; IUSE=${_}\nOUTER_COMPAT=( a-1 )\ninherit outer\n",
    "printf": "printf -v V '%s_%03d' a 7 b 8\nIUSE=${V}\n",
    "sub": 'f() { local x=${1}; x+=z; echo "${x}"; }\nx=1\nIUSE="$(f a) ${x} $(x=2; echo ${x})"\n',
}


def _ebuilds() -> dict[str, str]:
    found = {
        f"s/{name}{eapi}-1.2.3_p4-r5": f"EAPI={eapi}\n{HEAD}{body}"
        for name, body in BODIES.items()
        for eapi in (5, 7, 8)
        if not (name == "versions" and eapi == 5)
    }
    for eapi in (0, 3, 4, 6):
        found[f"s/old{eapi}-1"] = f'EAPI={eapi}\ninherit base\n{HEAD}DEPEND="a/b"\nPDEPEND="c/d"\n'
    return found


def test_portage_writes_the_same_entries_and_refuses_the_same_ebuilds(tmp_path):
    require_root()
    root = PortageRoot.create(tmp_path / "portage", _ebuilds())
    repo = tmp_path / "portage/repo"
    for name, text in ECLASSES.items():
        path = repo / "eclass" / f"{name}.eclass"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    conf = (tmp_path / "portage/conf").as_posix()
    repos = f"[DEFAULT]\nmain-repo = test\n[test]\nlocation = {repo}\nauto-sync = no\n"
    argv = ["--config-root", conf, "--repositories-configuration", repos, "--update"]
    root.call("egencache", *argv, "--repo", "test", "--jobs=2")
    report = write_metadata([repo], progress=Silent(), out=tmp_path / "ours", jobs=1)
    theirs, ours = repo / "metadata/md5-cache/s", tmp_path / "ours/test/s"
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    for path in sorted(ours.iterdir()):
        found, expected = (
            parse_entry(Path(where / path.name).read_bytes(), path.name) for where in (ours, theirs)
        )
        for key in KEYS:
            assert (path.name, key, found.value(key)) == (path.name, key, expected.value(key))
        assert (found.md5, set(found.eclasses)) == (expected.md5, set(expected.eclasses))
    assert len(report.failures) >= 5 * 3

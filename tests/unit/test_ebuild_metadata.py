"""The keys of an ebuild's metadata, with eclasses and EAPIs."""

import pytest

from sysextlib.errors import EbuildError
from tests.builders.ebuild_repo import evaluate

ECLASS = 'IUSE="ea"\nRDEPEND="e/r"\nRESTRICT="mirror"\nLICENSE="E"\n'


def test_eclass_values_follow_the_ebuilds_own():
    found = evaluate('inherit e\nIUSE="own"\nRDEPEND="o/r"\n', eclasses={"e": ECLASS})
    assert found.value("IUSE") == "own ea"
    assert found.value("RDEPEND") == "o/r e/r"
    assert found.value("INHERIT") == "e"
    assert [name for name, _ in found.eclasses] == ["e"]


@pytest.mark.parametrize(("eapi", "restrict"), [("7", "test"), ("8", "test mirror")])
def test_restrict_adds_up_from_eapi_8(eapi, restrict):
    text = 'inherit e\nRESTRICT="test"\n'
    assert evaluate(text, eapi=eapi, eclasses={"e": ECLASS}).value("RESTRICT") == restrict


def test_a_nested_eclass_comes_before_the_one_that_inherits_it():
    outer = 'inherit e\nIUSE="eb ${IUSE}"\n'
    found = evaluate("inherit b\n", eclasses={"e": ECLASS, "b": outer})
    assert found.value("IUSE") == "ea eb"
    assert found.value("INHERIT") == "b"


def test_inheriting_twice_counts_twice():
    assert evaluate("inherit e\ninherit e\n", eclasses={"e": ECLASS}).value("IUSE") == "ea ea"


def test_an_eclass_that_inherits_itself_is_refused():
    with pytest.raises(EbuildError, match=r"inherits itself|nested"):
        evaluate("inherit a\n", eclasses={"a": "inherit b\n", "b": "inherit a\n"})


def test_a_variable_declared_in_an_eclass_is_local_to_inherit():
    eclasses = {"e": "declare a=1\ndeclare -g b=2\nx=3\n"}
    found = evaluate("inherit e\n", eclasses=eclasses, wanted=("a", "b", "x"))
    assert found.others == {"a": "", "b": "2", "x": ""}


def test_phases_are_those_of_the_eapi_that_ebuild_or_eclass_define():
    eclass = "e_src_compile() { :; }\nEXPORT_FUNCTIONS src_compile\n"
    text = "inherit e\nsrc_install() { :; }\npkg_pretend() { :; }\nsrc_foo() { :; }\n"
    assert evaluate(text, eapi="8", eclasses={"e": eclass}).value("DEFINED_PHASES") == (
        "compile install pretend"
    )
    assert evaluate(text, eapi="2", eclasses={"e": eclass}).value("DEFINED_PHASES") == (
        "compile install"
    )
    assert evaluate("").value("DEFINED_PHASES") == "-"


def test_rdepend_falls_back_to_depend_up_to_eapi_3():
    assert evaluate('DEPEND="a/b"\n', eapi="3").value("RDEPEND") == "a/b"
    assert evaluate('DEPEND="a/b"\nRDEPEND=""\n', eapi="3").value("RDEPEND") == ""
    assert evaluate('DEPEND="a/b"\n', eapi="4").value("RDEPEND") == ""


@pytest.mark.parametrize(("key", "first"), [("BDEPEND", 7), ("IDEPEND", 8)])
def test_new_dependency_keys_count_from_their_eapi(key, first):
    text = f'{key}="a/b"\n'
    assert evaluate(text, eapi=str(first)).value(key) == "a/b"
    assert evaluate(text, eapi=str(first - 1)).value(key) == ""


def test_values_are_printed_as_echo_prints_them():
    found = evaluate('DESCRIPTION="-n  a\n b * [z]"\nHOMEPAGE="-e h\\\\tx"\n')
    assert found.value("DESCRIPTION") == "a b * [z]"
    assert found.value("HOMEPAGE") == "h\tx"


def test_bytes_that_are_no_text_are_printed_as_portage_reads_them():
    found = evaluate('DESCRIPTION="a\udce9 \u00a0"\n')
    assert found.value("DESCRIPTION") == "a\ufffd \u00a0"


@pytest.mark.parametrize("text", ["a\fb", "a\f", "a\rb", "a\u2028b", "-e a\\nb"])
def test_a_value_that_portage_takes_for_several_lines_is_refused(text):
    with pytest.raises(EbuildError, match="DESCRIPTION has a character that ends a line"):
        evaluate(f"DESCRIPTION='{text}'\n")


def test_of_an_array_only_the_first_element_counts():
    assert evaluate("IUSE=( one two )\n").value("IUSE") == "one"


def test_the_names_of_the_package_are_set():
    names = ("P", "PN", "PV", "PR", "PVR", "PF", "CATEGORY")
    found = evaluate("", wanted=names, cpv="cat/pkg-1.0")
    assert list(found.others.values()) == ["pkg-1.0", "pkg", "1.0", "r0", "1.0", "pkg-1.0", "cat"]


def test_a_last_command_that_fails_makes_the_ebuild_invalid():
    with pytest.raises(EbuildError, match="last command failed"):
        evaluate("[[ 1 == 2 ]] && X=1\n")
    with pytest.raises(EbuildError, match=r"last command of e\.eclass failed"):
        evaluate("inherit e\n", eclasses={"e": "[[ 1 == 2 ]] && X=1\n"})


@pytest.mark.parametrize(
    "text", ["X=1\nEAPI=8\n", "EAPI=\n", "EAPI=99\n", "X=8\nEAPI=$X\n", "EAPI=8\nEAPI=7\n"]
)
def test_an_eapi_that_is_late_unknown_or_set_twice_is_refused(text):
    with pytest.raises(EbuildError, match="EAPI"):
        evaluate(text, eapi="")


def test_no_eapi_is_eapi_0():
    assert evaluate("", eapi="").value("EAPI") == "0"


def test_a_failed_glob_skips_one_command_from_eapi_6():
    text = 'IUSE="x"\nY=( /nonexistent* )\nIUSE+=" reached"\n'
    assert evaluate(text).value("IUSE") == "x reached"


def test_version_commands_cut_replace_and_compare():
    text = (
        'IUSE="$(ver_cut 1-2) $(ver_cut 2-) $(ver_rs 1- _) $(ver_cut 3 1.2)"\n'
        'ver_test 1.10 -gt 1.9 && IUSE+=" gt"\n'
    )
    assert evaluate(text).value("IUSE") == "1.2 2.3_p4 1_2_3_p_4 gt"


def test_an_error_in_an_eclass_names_the_ebuild_too():
    with pytest.raises(EbuildError) as caught:
        evaluate("inherit e\n", eclasses={"e": "\n\nf() {\n\nsort\n}\nf\n"})
    assert caught.value.facts["file"].endswith("e.eclass")
    assert caught.value.facts["line"] == "5"
    assert caught.value.facts["ebuild"] == "pkg.ebuild"


def test_a_failed_glob_skips_what_stands_on_its_line():
    found = evaluate("IUSE=a; X=( *none* ); IUSE=b\nRESTRICT=a; X=( *none* );\nRESTRICT=b\n")
    assert (found.value("IUSE"), found.value("RESTRICT")) == ("a", "b")


def test_a_failed_glob_in_eval_ends_one_line_of_it():
    found = evaluate("eval 'IUSE=a; X=( *none* ); IUSE=b\nRESTRICT=c'\nDEPEND=d/e\n")
    assert [found.value(key) for key in ("IUSE", "RESTRICT", "DEPEND")] == ["a", "c", "d/e"]


def test_files_are_looked_for_when_all_words_are_expanded():
    found = evaluate("X=( *none* ${IUSE:=a} )\n:\n")
    assert found.value("IUSE") == "a"


def test_a_backslash_in_a_value_quotes_a_glob():
    found = evaluate("X='a\\*'\nset -- ${X}\nIUSE=$1\n", wanted=("IUSE",))
    assert found.others["IUSE"] == "a\\*"


def test_a_failed_glob_leaves_the_positional_parameters():
    found = evaluate("set -- a b\nX=( *none* )\nIUSE=$#\n")
    assert found.value("IUSE") == "2"


def test_field_separators_that_stay_changed_make_the_ebuild_invalid():
    with pytest.raises(EbuildError, match="IFS is left changed"):
        evaluate("IFS=,\n")

"""What words, expansions and commands of a script come to."""

import time

import pytest

from sysextlib.errors import EbuildError
from tests.builders.ebuild_repo import evaluate, value
from tests.builders.shell_scripts import SCRIPTS


@pytest.mark.parametrize(
    ("script", "expected"),
    SCRIPTS,
)
def test_scripts_come_to_what_bash_makes_of_them(script, expected):
    assert value(script) == expected


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("X=$RANDOM", "RANDOM"),
        ("X=$(( 1 / 0 ))", "division by zero"),
        ("sort <<< a", "'sort'"),
        ("echo a > /tmp/file", "redirection"),
        ("declare -n r=X", "declare -n"),
        ("trap : EXIT", "'trap'"),
        (": &", "background"),
        ("X=~/file", "tilde"),
        ("X=( / * portag? )", "file name pattern"),
        ("readonly R=1; R=2", "readonly"),
        ("usex a", "usex"),
        ("die because", "because"),
        ("inherit none", "none.eclass"),
        ("exit 0", "exit"),
        ("X=${v:?needed}", "needed"),
        ("source other", "'source'"),
    ],
)
def test_what_is_not_supported_is_an_error_that_names_it_and_its_line(script, named):
    with pytest.raises(EbuildError) as caught:
        evaluate(f"\n{script}\n:\n")
    assert named in str(caught.value)
    assert caught.value.facts["line"] == "3"


@pytest.mark.parametrize(
    "script",
    [
        "while :; do :; done",
        "for ((;;)); do x+=a; done",
        "f() { f; }; f",
        "f() { $(f); }; f",
        "f() { $(f) $(f); }; f",
        "f() { f | f; }; f",
        "x=( {1..1000000000} )",
        "x=( {1..1000}{1..1000}{1..1000} )",
        "x=( " + "{a,b}" * 40 + " )",
        "x=a; for i in {1..60}; do x=$x$x; done",
        "x=(a); for i in {1..60}; do x+=( ${x[@]} ); done",
        "printf -v x %1000000000d 1",
        "x[999999999]=1",
        "x=" + "$(" * 3000 + ":" + ")" * 3000,
        "x=$(printf %9999s a); y=${x// /a}; [[ $y =~ ^(a|aa)+(a*)*b$ ]]",
        "shopt -s extglob; x=$(printf %9999s a); y=${x%%+( )*(a|b)c}",
        f"x=$(({'9' * 6000}))",
        f"x=$(({'9' * 6000}#1))",
        f"[[ {'9' * 6000} -gt 1 ]]",
        "x[\u00b2]=1",
        "set -- {1..19999}; for i in {1..10000}; do set -- x; set -- {1..19999}; done",
    ],
)
def test_endless_and_gigantic_scripts_are_an_error_soon(script):
    began = time.process_time()
    with pytest.raises(EbuildError):
        evaluate(script + "\n")
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ('X="a\n', "unterminated double quote"),
        ("X='a\n", "unterminated single quote"),
        ("f() {\n:\n", "unterminated function"),
        ("cat <<EOF\na\n", "here-document"),
        ("if :; then\n:\n", "ends inside a command"),
        ("fi\n", "'fi'"),
        ("X=( a\n", "unterminated array"),
        ("X=${a\n", "unterminated ${"),
        ("X=$(a\n", "unterminated command substitution"),
        ("case a in b) ;;\n", "ends inside"),
    ],
)
def test_a_broken_script_is_an_error_that_shows_where(text, brief):
    with pytest.raises(EbuildError) as caught:
        evaluate(text)
    assert brief in caught.value.brief
    assert caught.value.facts["file"] == "pkg.ebuild"
    assert int(caught.value.facts["line"]) >= 2


def test_a_function_that_is_not_called_is_not_looked_into():
    assert value("X=1\nf() { sort | uniq > file; if then; }") == "1"


@pytest.mark.parametrize(
    "body",
    [
        "# ends in a backslash \\\n",
        "echo } '}' \"}\" \\} ${x/\\}/}\n",
        "cat <<-EOF\n\t}\n\tEOF\n",
        "case x in }) ;; esac\n",
        "{ :; }\n",
        "x=$(case a in a) echo };; esac)\n",
        "if :; then { :; } fi\n",
        "rm {/etc,$(f)} || die\n",
        "(( 1 << 2 ))\n",
        'x="$(cat <<EOF\n}\nEOF\n)"\n',
        "[[ $x =~ ^\\{a{1,2}} ]]\n",
        "g() {\n:\n}\n",
    ],
)
def test_a_function_ends_at_its_own_brace(body):
    assert value(f"f() {{\n{body}}}\nX=1\n") == "1"

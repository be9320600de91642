"""What words, expansions and commands of a script come to."""

import pytest

from sysextlib.errors import EbuildError
from tests.builders.ebuild_repo import evaluate, value
from tests.builders.shell_scripts import GLUTTONS, SCRIPTS


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
        ("X=$USE", "USE"),
        ("case a in @(a)) ;; esac", "extglob"),
        ("f() { case a in @(a)) ;; esac; }; shopt -s extglob; f", "extglob"),
        ("case a in b) case a in @(a)) ;; esac ;; esac", "extglob"),
        ("if false; then : > @(a); fi", "extglob"),
        ("false && : <<< @(a)", "extglob"),
        ("f() { g() { X=( a@(a) ); }; }", "extglob"),
        ("f() { return; : @(a) & }; f", "extglob"),
        ("{ shopt -s extglob; false && X=@(a); }", "extglob"),
        ("a=(); X=${a[-1]}", "before the first element"),
        ("X=${a[-1]}", "not set"),
        ("declare -A m; X=${m[$u]}", "empty subscript"),
        ("X=${@:1:-1}", "negative length"),
        ("X=$(( 1 << -1 ))", "shift"),
        ("shopt -s extglob; v=a; X=${v//*(b)/y}", "matches nothing"),
        ('a=( 1 2 ); X=( "${a[*]#x}${a[@]}" )', "same quotes"),
        ("declare -A m=( [é]=1 [a]=2 ); X=${m[*]}", "not ASCII"),
        ("[[ é == [[:alpha:]] ]]", "not ASCII"),
        ("IFS=,; inherit none", "IFS"),
        ("IFS=; a=( 1 2 ); X=${a[*]@a}", "IFS"),
        ("f() { export c; }; c=1 f", "set for the call"),
        ("f() { declare -g c=2; }; c=1 f", "set for the call"),
        ("f() { unset c; }; c=1 f", "set for the call"),
        ("c=1 printf -v c 2", "set for it"),
        ("c=1 eval 'c=2'", "set for it"),
        ("printf -v X %q é", "not ASCII"),
        ("X=( .* )", "file name pattern"),
        ("X=( ./p* )", "file name pattern"),
        ('v=; X=( "${v:0}$@" )', "no elements"),
        ('X=( "${u-${v:=}}$@" )', "no elements"),
        ('set -- a; X=( "${1+\\ }$@" )', "backslash before a blank"),
        ("[[ a == [z-a] ]]", "ends before it begins"),
        ("[[ a =~ [z-a] ]]", "ends before it begins"),
        ("IFS=é; X=( $PV )", "IFS that is not ASCII"),
        ("f() { local c; X=$c; }; c=1 f", "set for the call"),
        ("[[ a =~ a ]]; ver_test 1 -lt 2 && X=${BASH_REMATCH[0]}", "BASH_REMATCH"),
        ("printf -v X 'a\\0'", "NUL"),
        ("read X < <(printf 'a\\0')", "NUL"),
        ("X=$'\\303\\251'", "byte that is not ASCII"),
        ("X=$(echo -e '\\ud800')", "no character"),
        ("printf -x a", "no such option"),
        ('v=" a "; [[ $v"$@" == " a " ]]', "beside"),
        ('v=" a "; case x in ${u:-$v"$@"}) ;; esac', "beside"),
        ('v=" a "; X=${v/a/$v"${v[@]}"}', "beside"),
        ("printf -v X %.1s é", "not ASCII"),
        ("printf -v X %c é", "not ASCII"),
        ('a=( "" ); X=${a[*]:+x}', "none has text"),
        ('set -- "" ""; IFS=; X="${*:-x}"', "none has text"),
        ("a=x; X=${a[@]:1}", "no indexed array"),
        ("read 1 <<< x", "no name"),
        ("mapfile 'a[1]' <<< x", "no name"),
        ('a=( 1 2 ); X=( "${a[*]#x}${@:+x}" )', "same quotes"),
        ("a=x; X=${a:}", "bad substitution"),
        ("a=x; X=${a[]:-y}", "bad substitution"),
        ("a=x; X=$(( a[] ))", "empty subscript"),
        ("IFS=,; read X <<E\n${a[*]}\nE", "IFS"),
        ("declare -u v; X=${v:=a}", ":= for v"),
        ("read X <<'E'\na\\\nE", "continues"),
    ],
)
def test_what_is_not_supported_is_an_error_that_names_it_and_its_line(script, named):
    with pytest.raises(EbuildError) as caught:
        evaluate(f"\n{script}\n:\n")
    assert named in str(caught.value)
    assert caught.value.facts["line"] == "3"


@pytest.mark.parametrize("script", GLUTTONS)
def test_endless_and_gigantic_scripts_are_refused(script):
    with pytest.raises(EbuildError):
        evaluate(script + "\n")


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ('X="a\n', "unterminated double quote"),
        ("X='a\n", "unterminated single quote"),
        ("f() {\n:\n", "unterminated function"),
        ("cat <<EOF\na\n", "here-document"),
        ("if :; then\n:\n", "ends inside a command"),
        ("fi\n", "'fi'"),
        ("if :; then\nfi\nfi\n", "'fi'"),
        ("()\n", "')'"),
        ("in\n", "'in'"),
        ("f() { :\n: $(:) \\\n}\n", "unterminated function"),
        ("f() {\n: < # comment\n}\nf\n", "without a target"),
        ("f() {\n}\nf\n", "no commands"),
        ("local <a x=( b )\n", "list behind a redirection"),
        ("a_[b() { :; }\n", "opening bracket"),
        (": && a[b\n", "opening bracket"),
        ("false && a[; b]\n", "opening bracket"),
        ("a=( [b c] )\n", "opening bracket"),
        ("a=( [b )\n", "opening bracket"),
        ("a[]=b\n", "empty subscript"),
        ("[[ a\n\n== b ]]\n", "the end of the line"),
        ("[[ a ==\n\nb ]]\n", "the end of the line"),
        ("[[ -n # c\n\nb ]]\n", "the end of the line"),
        ("a=( b )c=\n", "glued"),
        ("declare a=( b )$c\n", "glued"),
        ("for 1 in b; do :; done\n", "no variable"),
        ("a=( []=b )\n", "empty subscript"),
        ("case a in b |\n\nc) ;; esac\n", "the end of the line"),
        ("case\n\na in b) ;; esac\n", "the end of the line"),
        ("for\n\na in b; do :; done\n", "the end of the line"),
        ("!\n\nfalse\n", "the end of the line"),
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


def test_a_failed_glob_ends_a_command_but_undoes_nothing_of_it():
    assert value("set -- a\nfor i in 1 2; do set -- x$i '?' $*; done\nX=$*\n") == "x1 ? a"
    text = "set -- a\nf() { set -- b; g; }; g() { set -- c no?; }\nf\nX=$*\n"
    assert value(text) == "a"


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

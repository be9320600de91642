import contextlib
import random

import pytest

from sysextlib.install.shell import commands, function_body
from sysextlib.install.shell_lexer import ShellError, unquote

PIECES = [
    "if ", "then ", "else ", "elif ", "fi", "for x in ", "do ", "done", "while ", "case ", "esac",
    "in ", ";", ";;", "\n", "&&", "||", "|", "&", "(", ")", "{ ", "}", "$(", "`", "${", "'", '"',
    "\\", "<<EOF\n", "EOF\n", ">", "/dev/null", "[[ ", " ]]", "((", "))", "x", "y=", "y=(", "$'",
    "function ", "! ", "return ", "foo ", " ", "<(", "time ", "coproc ", "#", "2>&1", "@(", "[x]=",
]  # fmt: skip


def test_any_text_is_read_or_refused_and_never_a_crash():
    rng = random.Random(5)
    for _ in range(3000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 40)))
        for read in (lambda t: commands(t, lambda _: None), lambda t: function_body(t, 0)):
            with contextlib.suppress(ShellError):
                read(text)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("a'b c'\"d e\"", "ab cd e"),
        ('"it\'s"', "it's"),
        (r"a\ b", "a b"),
        (r'"a\$b\c"', r"a$b\c"),
        ("$x", None),
        ("`x`", None),
        ("*", None),
        ('"*"', "*"),
        ("'open", None),
    ],
)
def test_a_word_without_expansions_is_unquoted(word, meaning):
    assert unquote(word) == meaning


def test_a_functions_end_is_found_behind_braces_in_quotes_and_here_documents():
    body = "    x '}' \"\n}\n\";\n    cat <<E\n}\nE\n\n    { \n        y\n    }\n"
    text = f"f () \n{{ \n{body}}}\ng () \n{{ \n    z\n}}\n"
    assert function_body(text, text.index("{ \n") + 3) == body

"""Which rule of the file contexts is a path's."""

import pytest

from sysextlib.errors import LabelError, ValueSyntaxError
from sysextlib.selinux.contexts import FileContexts
from sysextlib.selinux.regex import compile_regex, required_prefix
from sysextlib.selinux.rules import literal, read_rules, read_substitutions
from sysextlib.tree import Kind


def contexts(*texts: str, substitutions=()) -> FileContexts:
    rules = [
        rule for at, text in enumerate(texts) for rule in read_rules(text.encode(), f"file{at}", at)
    ]
    return FileContexts(rules, substitutions)


def type_of(found: FileContexts, path: str, kind: Kind | None = Kind.FILE) -> str | None:
    rule = found.lookup(path, kind)
    return rule.type if rule else None


def line(regex: str, name: str, kind: str = "") -> str:
    return f"{regex} {kind} u:object_r:{name}:s0\n"


def test_the_last_regular_expression_that_matches_wins():
    found = contexts(line("/.*", "a") + line("/usr/.*", "b") + line("/u.*", "c"))
    assert type_of(found, "/usr/x") == "c"
    assert type_of(found, "/var") == "a"


def test_a_literal_path_wins_over_later_regular_expressions():
    found = contexts(line("/usr/bin/x", "a") + line("/usr/bin/.*", "b"))
    assert type_of(found, "/usr/bin/x") == "a"
    assert type_of(found, "/usr/bin/xy") == "b"


def test_a_regular_expression_matches_whole_paths_only():
    found = contexts(line("/usr/li[bc]", "a"))
    assert type_of(found, "/usr/lib") == "a"
    assert type_of(found, "/usr/libx") is None
    assert type_of(found, "/x/usr/lib") is None


@pytest.mark.parametrize(
    ("sign", "kind"),
    [("--", Kind.FILE), ("-d", Kind.DIRECTORY), ("-l", Kind.SYMLINK), ("-p", Kind.FIFO),
     ("-c", Kind.CHARDEV), ("-b", Kind.BLOCKDEV)],
)  # fmt: skip
def test_a_rule_may_be_for_one_kind_of_entry(sign, kind):
    found = contexts(line("/.*", "all") + line("/usr/.*", "one", sign))
    for each in Kind:
        assert type_of(found, "/usr/x", each) == ("one" if each is kind else "all")


def test_none_means_no_label_whatever_came_before():
    found = contexts(line("/.*", "a") + "/run/.* <<none>>\n")
    assert type_of(found, "/run/x") is None
    assert type_of(found, "/usr") == "a"


def test_a_later_file_wins_over_an_earlier_one_whatever_its_line():
    found = contexts("\n\n" + line("/usr/x.*", "a"), line("/usr/.*", "b"))
    assert type_of(found, "/usr/xy") == "b"


def test_prefixes_are_substituted_at_the_borders_of_names():
    pairs = read_substitutions(b"# comment\n/usr/lib32 /usr/lib\n/sbin /usr/bin\n/alias /\n", "s")
    found = contexts(line("/usr/lib/.*", "a") + line("/etc", "b"), substitutions=[pairs])
    assert type_of(found, "/usr/lib32/x") == "a"
    assert type_of(found, "/usr/lib32x/x") is None
    assert type_of(found, "/alias/etc") == "b"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/usr/lib", "/usr/lib"),
        (r"/usr/lib\.so\+", "/usr/lib.so+"),
        ("/usr/a-b_c", "/usr/a-b_c"),
        ("/usr/.*", None),
        ("/usr/a?", None),
        (r"/usr/\d", None),
        ("/usr/\\", None),
    ],
)
def test_a_path_without_meta_characters_is_literal(text, path):
    assert literal(text) == path


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("/usr/lib.*", "/usr/lib"),
        ("/usr/libx?y", "/usr/lib"),
        (r"/usr/a\.b(/.*)?", "/usr/a.b"),
        ("/usr/ab{0}c", "/usr/a"),
        ("/a|/b", ""),
        ("/a(b|c)", "/a"),
        ("/a[|]b", "/a"),
    ],
)
def test_the_literal_beginning_of_a_regular_expression(text, prefix):
    assert required_prefix(text) == prefix


@pytest.mark.parametrize(
    "text", ["(", "a)", "[a", "(*a)", "a{2,1}", "(?<x>a)", r"\1", r"\Qa", "a" * 5000]
)
def test_what_is_no_regular_expression_or_is_read_otherwise_elsewhere_is_refused(text):
    with pytest.raises(ValueSyntaxError, match="egular expression"):
        compile_regex(f"/{text}", "f:1")


def test_a_pattern_of_the_field_that_backtracks_forever_does_not():
    pattern = compile_regex(r"/usr/lib/.*\.so(\.[^/]*)*")
    assert pattern.search(b"/usr/lib/x.so" + b"." * 200)
    assert not pattern.search(b"/usr/lib/x.so" + b"." * 200 + b"/")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/usr\n", "line without a context"),
        ("/usr -x u:r:t\n", "unknown file type '-x'"),
        ("/usr nonsense\n", "'nonsense' is no context"),
        ("/\N{LATIN SMALL LETTER U WITH DIAERESIS} u:r:t\n", "not plain ASCII"),
        ("/a\0b u:r:t\n", "not plain ASCII"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_place(text, told):
    with pytest.raises(LabelError, match=told) as caught:
        list(read_rules(b"# comment\n\n" + text.encode(), "policy", 0))
    assert caught.value.facts["file"] == "policy"
    assert caught.value.facts["line"] == "3"


def test_a_substitution_that_is_no_text_is_refused():
    with pytest.raises(LabelError, match="UTF-8"):
        read_substitutions(b"/a /b\n\xff /c\n", "subs")

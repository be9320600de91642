"""sysexts/NAME/sysext.toml: read strictly, or refused with the place and the next step."""

import os
import re
import typing
from pathlib import Path

import pytest

from sysextlib import verbs
from sysextlib.definition import (
    Compression,
    SysextDef,
    SysextKind,
    adhoc,
    choose,
    load_catalogue,
    load_definitions,
)
from sysextlib.errors import DefinitionError, ValueSyntaxError
from sysextlib.gentoo.arch import Arch
from sysextlib.toml_reader import toml_keys
from sysextlib.tree import Kind
from tests.builders.definition import HEAD, load_definition, write_definition

ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, text: str, **files: str) -> SysextDef:
    return load_definition(write_definition(tmp_path, text=text, files=files))


def refused(tmp_path: Path, text: str) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "sysexts/demo/sysext.toml") in str(caught.value)
    return caught.value


def test_a_definition_of_three_keys_gets_upstreams_defaults(tmp_path):
    definition = load(tmp_path, HEAD)
    assert definition.key == "demo"
    assert definition.name == "flatcar-demo"
    assert definition.arches == (Arch.AMD64, Arch.ARM64)
    assert str(definition.main_package) == "app-misc/demo"
    assert definition.compression is Compression.LZ4HC
    assert definition.scope == ()


@pytest.mark.parametrize(
    ("kind", "compression", "root"),
    [
        ("base", Compression.NONE, "flatcar-demo-base-sysext-rootfs"),
        ("extra", Compression.LZ4HC, "flatcar-demo-extra-sysext-rootfs"),
        ("oem", Compression.NONE, "flatcar-demo-oem-sysext-rootfs"),
        ("demo", Compression.LZ4HC, "flatcar-demo-extra-sysext-rootfs"),
    ],
)
def test_the_kind_decides_compression_and_staging_root(tmp_path, kind, compression, root):
    definition = load(tmp_path, HEAD.replace("extra", kind))
    assert (definition.compression, definition.install_root) == (compression, root)


def test_a_stated_compression_wins_over_the_kinds(tmp_path):
    text = HEAD.replace("extra", "oem") + 'compression = "zstd"'
    assert load(tmp_path, text).compression is Compression.ZSTD


def test_unknown_key_error_names_file_key_and_the_nearest_known(tmp_path):
    error = refused(tmp_path, HEAD + 'sumary = "x"')
    assert error.brief == "unknown key 'sumary'"
    assert error.facts["key"] == "sumary"
    assert error.hint == "did you mean summary?"


def test_unknown_key_in_a_nested_table_is_named_by_its_path(tmp_path):
    error = refused(tmp_path, HEAD + '[[remove]]\npaths = ["usr/a"]\n[[remove]]\npath = "usr/b"')
    assert error.facts["key"] == "remove[1].path"
    assert "paths" in error.hint


@pytest.mark.parametrize(
    ("line", "brief"),
    [
        ("summary = 1", "summary must be a string, not a number"),
        ('arches = "amd64"', "arches must be a list, not a string"),
        ("use = [true]", "use[0] must be a string, not true or false"),
        ("acknowledge = []", "acknowledge must be a table, not a list"),
        ("acknowledge = {a = 1}", "acknowledge.a must be a string, not a number"),
        ("remove = {}", "remove must be a list, not a table"),
        ("remove = [1]", "remove[0] must be a table, not a number"),
        ('write = [{path = "a", text = "", mode = true}]', "write[0].mode must be a number, not"),
        (
            'write = [{path = "a", text = "", mode = 1.5}]',
            "write[0].mode must be a number, not a f",
        ),
        (
            'remove = [{paths = ["a"], optional = 1}]',
            "remove[0].optional must be true or false, no",
        ),
        ("summary = 2020-01-01", "summary must be a string, not a date"),
    ],
)
def test_a_value_of_another_type_is_refused_with_both_types(tmp_path, line, brief):
    assert refused(tmp_path, HEAD + line).brief.startswith(brief)


@pytest.mark.parametrize(
    ("line", "brief"),
    [
        ('compression = "gzip"', "unknown value 'gzip'"),
        ('arches = ["riscv64"]', "unknown value 'riscv64'"),
        ('use = ["--x"]', "'--x' is no USE flag"),
        ('replace = ["/usr/bin/x"]', "not a path below a root: '/usr/bin/x'"),
        ('replace = ["usr/../etc"]', "not a path below a root: 'usr/../etc'"),
        ('may_replace = ["usr//x"]', "not a path below a root: 'usr//x'"),
        ('remove = [{set = "x", paths = ["a"]}]', "say either paths or set"),
        ("remove = [{}]", "say either paths or set"),
        ('move = [{path = "a", to = "b", into = "c"}]', "say either to or into"),
        ('vendor_etc = [{path = "usr/x"}]', "path must lie below etc/"),
        ('write = [{path = "a", text = "", mode = 0o4755}]', "mode must be permission bits"),
        ('write = [{path = "a\\nb", text = ""}]', "no file system and package"),
        (f'write = [{{path = "{"n" * 256}", text = ""}}]', "a part of the path is longer"),
        (f'write = [{{path = "{"d/" * 2100}f", text = ""}}]', "no file system and package"),
        ('remove = [{paths = ["usr/[z-a]"]}]', "no pattern for paths"),
        ('symlink = [{path = "a", target = ""}]', "target must be"),
        ('symlink = [{path = "a", target = "b\\u0000"}]', "target must be"),
        (f'symlink = [{{path = "a", target = "{"t" * 4096}"}}]', "target must be"),
        ('append = [{path = "a", lines = ["x\\ny"]}]', "lines must hold at least one"),
        ('tmpfiles = [{lines = ["/etc/x"]}]', "'/etc/x' is no line of tmpfiles.d(5)"),
        ('sysusers = [{lines = ["user x"]}]', "'user x' is no line of sysusers.d(5)"),
        ('upholds = [{target = "multi-user", units = ["a.service"]}]', "'multi-user' is no name"),
        ('upholds = [{target = "a.target", units = []}]', "units must name at least one"),
        ('main_package = "app-misc/other"', "main_package app-misc/other is not among packages"),
        ('kernel_modules = "depmod"', "unknown value 'depmod'"),
    ],
)
def test_a_value_that_cannot_be_is_refused(tmp_path, line, brief):
    assert refused(tmp_path, HEAD + line).brief.startswith(brief)


def test_missing_key_is_named(tmp_path):
    assert refused(tmp_path, 'name = "x"\nkind = "extra"').brief == "missing key 'packages'"


@pytest.mark.parametrize("name", ["", "UPPER", "../x", "a/b", "a b", ".hidden", "x" * 101])
def test_a_name_that_is_no_file_name_of_ours_is_refused(tmp_path, name):
    assert (
        "is no name for an extension" in refused(tmp_path, HEAD.replace("flatcar-demo", name)).brief
    )


def test_an_atom_that_breaks_its_grammar_is_shown_with_its_key(tmp_path):
    error = refused(tmp_path, HEAD.replace("app-misc/demo", "app-misc"))
    assert error.facts["key"] == "packages[0]"


def test_several_packages_need_a_main_package(tmp_path):
    text = HEAD.replace('["app-misc/demo"]', '["app-misc/demo", "app-misc/b"]')
    assert refused(tmp_path, text).brief == "missing key 'main_package'"


def test_the_kind_of_the_command_line_is_not_for_files(tmp_path):
    assert "adhoc" in refused(tmp_path, HEAD.replace("extra", "adhoc")).brief


def test_kind_of_another_type_is_an_error_not_a_crash(tmp_path):
    assert "must be a string" in refused(tmp_path, HEAD.replace('"extra"', "[]")).brief


@pytest.mark.parametrize(
    "data", [b"name = ", b"\xff", b"a = " + b"[" * 5000, b"x = 1\nx = 2", b"#" * (1 << 20) + b"#"]
)
def test_a_file_that_is_not_toml_is_refused(tmp_path, data):
    folder = write_definition(tmp_path)
    (folder / "sysext.toml").write_bytes(data)
    with pytest.raises(DefinitionError, match=r"is not TOML|is larger than"):
        load_definition(folder)


def test_an_absent_file_is_an_error_with_the_reason(tmp_path):
    with pytest.raises(DefinitionError, match="No such file"):
        load_definition(tmp_path)


def test_files_keep_their_executable_bit_and_no_other(tmp_path):
    folder = write_definition(tmp_path, files={"usr/bin/a": "#!/bin/sh\n", "usr/share/b": "x"})
    (folder / "files/usr/bin/a").chmod(0o711)
    (folder / "files/usr/share/b").chmod(0o600)
    (folder / "files/usr/c").symlink_to("./share//b")
    files = load_definition(folder).files
    assert (files["usr/bin/a"].mode, files["usr/share/b"].mode) == (0o755, 0o644)
    assert (files["usr/c"].kind, files["usr/c"].target) == (Kind.SYMLINK, "./share//b")
    assert {entry.uid for entry in files} == {0}


def test_a_fifo_below_files_is_refused(tmp_path):
    folder = write_definition(tmp_path, files={"usr/a": ""})
    os.mkfifo(folder / "files/usr/pipe")
    with pytest.raises(DefinitionError, match="neither a file"):
        load_definition(folder)


def test_a_set_is_read_from_beside_the_folders(tmp_path):
    folder = write_definition(tmp_path, text=HEAD + '[[remove]]\nset = "docs"')
    (tmp_path / "sysexts/sets.toml").write_text('[docs]\npaths = ["usr/share/doc"]')
    assert load_definition(folder).sets == {"docs": ("usr/share/doc",)}


def test_an_unknown_set_is_refused_with_the_nearest(tmp_path):
    folder = write_definition(tmp_path, text=HEAD + '[[remove]]\nset = "doc"')
    (tmp_path / "sysexts/sets.toml").write_text('[docs]\npaths = ["usr/share/doc"]')
    with pytest.raises(DefinitionError, match="did you mean docs"):
        load_definition(folder)


def test_variants_of_one_folder_share_its_keys(tmp_path):
    text = (
        'kind = "extra"\npackages = ["x11-drivers/nv:0/535"]\narches = ["amd64"]\n'
        '[variant.535]\nname = "flatcar-nv-535"\nuse = ["-open"]\n'
        '[variant.535-open]\nname = "flatcar-nv-535-open"\nuse = ["open"]\n'
    )
    plain, opened = load_definitions(write_definition(tmp_path, "nv", text))
    assert (plain.key, plain.use) == ("nv-535", ("-open",))
    assert (opened.key, opened.use) == ("nv-535-open", ("open",))
    assert plain.arches == opened.arches == (Arch.AMD64,)


@pytest.mark.parametrize("text", ["variant = 1\n", "[variant]\n", "variant = {a = 1}\n"])
def test_variants_that_are_no_tables_are_refused(tmp_path, text):
    assert refused(tmp_path, HEAD + text).brief == "variant must be a table of tables"


def test_per_package_use_is_keyed_by_atoms(tmp_path):
    definition = load(tmp_path, HEAD + '[package_use]\n"app-misc/b" = ["x", "-y"]')
    assert {str(k): v for k, v in definition.package_use.items()} == {"app-misc/b": ("x", "-y")}


def test_the_catalogue_is_keyed_by_folder_in_order(tmp_path):
    write_definition(tmp_path, "b", HEAD.replace("flatcar-demo", "flatcar-b"))
    write_definition(tmp_path, "a", HEAD.replace("flatcar-demo", "flatcar-a"))
    assert list(load_catalogue(tmp_path)) == ["a", "b"]


def test_two_images_of_one_name_are_refused(tmp_path):
    write_definition(tmp_path, "a")
    write_definition(tmp_path, "b")
    with pytest.raises(DefinitionError, match="two extensions are called flatcar-demo"):
        load_catalogue(tmp_path)


def test_after_an_unknown_extension_is_refused(tmp_path):
    write_definition(tmp_path, "docker", HEAD + 'after = ["containered"]')
    write_definition(tmp_path, "containerd", HEAD.replace("flatcar-demo", "containerd-flatcar"))
    with pytest.raises(DefinitionError, match="did you mean containerd"):
        load_catalogue(tmp_path)


def test_a_circle_of_after_is_refused_with_the_chain(tmp_path):
    for key, after in (("a", "b"), ("b", "c"), ("c", "a")):
        text = HEAD.replace("flatcar-demo", f"flatcar-{key}") + f'after = ["{after}"]'
        write_definition(tmp_path, key, text)
    with pytest.raises(DefinitionError, match="a after b after c after a"):
        load_catalogue(tmp_path)


def test_an_extension_is_chosen_by_key_or_image_name(tmp_path):
    write_definition(tmp_path)
    catalogue = load_catalogue(tmp_path)
    assert choose(catalogue, "demo") is choose(catalogue, "flatcar-demo")
    with pytest.raises(DefinitionError, match="did you mean demo"):
        choose(catalogue, "dmo")


def test_what_the_command_line_names_needs_no_file():
    definition = adhoc("mine", ["app-misc/a", "app-misc/b"])
    assert definition.kind is SysextKind.ADHOC
    assert definition.install_root == "install-root"
    assert definition.main_package is None
    with pytest.raises(ValueSyntaxError):
        adhoc("mine", ["app-misc"])
    with pytest.raises(DefinitionError):
        adhoc("../mine", ["app-misc/a"])


def test_the_digest_is_of_what_is_built_not_of_where_it_lies(tmp_path):
    one = load_definition(write_definition(tmp_path / "1", files={"usr/a": "x"}))
    same = load_definition(
        write_definition(tmp_path / "2", text="# hi\n" + HEAD, files={"usr/a": "x"})
    )
    other = load_definition(write_definition(tmp_path / "3", files={"usr/a": "y"}))
    third = load_definition(write_definition(tmp_path / "4", text=HEAD + 'use = ["a"]'))
    assert one.digest() == same.digest()
    assert len({one.digest(), other.digest(), third.digest()}) == 3


def test_a_definition_fits_its_boards_and_architectures(tmp_path):
    definition = load(tmp_path, HEAD + 'arches = ["amd64"]\nboards = ["demo-amd64"]')
    assert definition.fits("demo-amd64", Arch.AMD64)
    assert not definition.fits("amd64-usr", Arch.AMD64)
    assert not definition.fits("demo-amd64", Arch.ARM64)


def test_every_definition_of_the_project_is_right():
    names = {definition.name for definition in load_catalogue(ROOT).values()}
    assert names >= {"containerd-flatcar", "docker-flatcar", "flatcar-python", "flatcar-podman"}


def test_the_readme_documents_every_key_and_no_other():
    documented = set(re.findall(r"^\| `(\w+)` \| .* \| .* \| .* \|$", readme(), re.MULTILINE))
    assert documented == set(toml_keys(SysextDef))


def test_the_readme_documents_every_key_of_every_edit():
    hints = typing.get_type_hints(SysextDef)
    for verb in toml_keys(SysextDef):
        args = typing.get_args(hints[verb])
        if args and getattr(args[0], "__module__", "") in {verbs.__name__, SysextDef.__module__}:
            section = re.search(
                rf"^### [^\n]*`\[\[{verb}\]\]`.*?(?=^##|\Z)", readme(), re.MULTILINE | re.DOTALL
            )
            if not hasattr(args[0], "__dataclass_fields__"):
                continue
            assert section, f"no section for {verb}"
            documented = set(re.findall(r"^\| `(\w+)` \|", section[0], re.MULTILINE))
            assert documented == set(toml_keys(args[0])), verb


def test_the_definitions_in_the_readme_are_right(tmp_path):
    (tmp_path / "sysexts").mkdir()
    (tmp_path / "sysexts/sets.toml").write_bytes((ROOT / "sysexts/sets.toml").read_bytes())
    examples = re.findall(r"```toml\n(.*?)```", readme(), re.DOTALL)
    assert len(examples) == 2
    for number, text in enumerate(examples):
        assert load_definitions(write_definition(tmp_path, f"example{number}", text))


def readme() -> str:
    return (ROOT / "sysexts/README.md").read_text()

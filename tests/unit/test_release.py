import pytest

from sysextlib.errors import DefinitionError, UsageError, ValueSyntaxError
from sysextlib.gentoo.arch import Arch
from sysextlib.image.release import ExtensionRelease, ImageClass, bash_quote, release_path
from sysextlib.os_release import MAX_BYTES, parse_env_file

ZFS = ExtensionRelease(
    name="flatcar-zfs",
    os_id="flatcar",
    version_id="4799.0.0",
    arch=Arch.AMD64,
    sysext_version_id="2.4.3",
    home_url="https://github.com/openzfs/zfs",
)


def changed(**changes):
    base = {"name": "x", "os_id": "demo", "version_id": "1", "arch": Arch.ARM64}
    return ExtensionRelease(**{**base, **changes})


def test_the_stamp_has_upstreams_keys_in_upstreams_order():
    assert ZFS.path == "usr/lib/extension-release.d/extension-release.flatcar-zfs"
    assert ZFS.text() == (
        "ID='flatcar'\n"
        "VERSION_ID='4799.0.0'\n"
        "ARCHITECTURE='x86-64'\n"
        "EXTENSION_RELOAD_MANAGER=1\n"
        "SYSEXT_ID='flatcar-zfs'\n"
        "SYSEXT_VERSION_ID='2.4.3'\n"
        "SYSEXT_HOME_URL='https://github.com/openzfs/zfs'\n"
        "SYSEXT_BUG_REPORT_URL='https://issues.flatcar.org'\n"
    )


def test_that_of_a_confext_lies_in_etc_and_has_keys_of_its_own():
    confext = changed(kind=ImageClass.CONFEXT, scope=("system",), version_field="SYSEXT_LEVEL")
    assert confext.path == "etc/extension-release.d/extension-release.x"
    assert confext.text() == (
        "ID='demo'\n"
        "CONFEXT_LEVEL='1'\n"
        "ARCHITECTURE='arm64'\n"
        "EXTENSION_RELOAD_MANAGER=1\n"
        "CONFEXT_SCOPE='system'\n"
        "CONFEXT_ID='x'\n"
        "CONFEXT_BUG_REPORT_URL='https://issues.flatcar.org'\n"
    )


def test_an_empty_value_has_no_line_and_does_not_shift_the_others():
    text = changed(sysext_name="Name", home_url="", bug_report_url="", reload_manager=False).text()
    assert text == (
        "ID='demo'\nVERSION_ID='1'\nARCHITECTURE='arm64'\nSYSEXT_ID='x'\nSYSEXT_NAME='Name'\n"
    )


def test_the_version_field_can_be_another_and_keeps_the_value():
    assert "\nSYSEXT_LEVEL='1'\n" in changed(version_field="SYSEXT_LEVEL").text()


def test_a_scope_is_written_where_a_definition_asks_for_it():
    text = changed(scope=("system", "initrd")).text()
    assert "EXTENSION_RELOAD_MANAGER=1\nSYSEXT_SCOPE='system initrd'\nSYSEXT_ID" in text


def test_an_unknown_scope_names_the_nearest_known_one():
    with pytest.raises(DefinitionError) as caught:
        changed(scope=("sytem",))
    assert caught.value.hint == "did you mean system?"


@pytest.mark.parametrize("field", ["", "version", "A=B", "A\nB", "ID", "VERSION", "CONFEXT_LEVEL"])
def test_a_version_field_that_systemd_does_not_compare_is_refused(field):
    with pytest.raises(UsageError, match="VERSION_FIELD_OVERRIDE cannot be"):
        changed(version_field=field)


def test_what_is_stamped_is_read_back():
    assert parse_env_file(ZFS.text().encode(), "stamp") == {
        "ID": "flatcar",
        "VERSION_ID": "4799.0.0",
        "ARCHITECTURE": "x86-64",
        "EXTENSION_RELOAD_MANAGER": "1",
        "SYSEXT_ID": "flatcar-zfs",
        "SYSEXT_VERSION_ID": "2.4.3",
        "SYSEXT_HOME_URL": "https://github.com/openzfs/zfs",
        "SYSEXT_BUG_REPORT_URL": "https://issues.flatcar.org",
    }


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", "'a b'"),
        ("", "''"),
        ("'", "\\'"),
        ("it's", "'it'\\''s'"),
        ("a\nb\x01'", "$'a\\nb\\001\\''"),
        ('Jürgen $HOME `x` "', "'Jürgen $HOME `x` \"'"),
    ],
)
def test_quoting_is_bashs(text, quoted):
    assert bash_quote(text) == quoted


def test_the_path_follows_the_name():
    assert release_path("a").endswith("/extension-release.a")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"ID=a\nX=\xff\n", "not UTF-8 in line 2"),
        (b"ID=a\0b\n", "NUL"),
        (b"#" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_an_os_release_that_systemd_would_refuse_is_refused_by_name(data, fault):
    with pytest.raises(ValueSyntaxError, match=fault) as caught:
        parse_env_file(data, "usr/lib/os-release of base.squashfs")
    assert caught.value.facts["read from"] == "usr/lib/os-release of base.squashfs"

import bz2

import pytest

from sysextlib.errors import PackageError
from sysextlib.gentoo.cpv import Cpv
from sysextlib.gentoo.package import Package
from sysextlib.install.phases import phase_effects
from tests.builders.catalogue import HOOKS


def effects(body, *, use=(), functions="", phase="postinst"):
    text = f"{functions}\npkg_{phase} () \n{{ \n{body}\n}}\nlater () \n{{ \n    rm -rf /\n}}\n"
    package = Package(
        cpv=Cpv.parse("a/foo-1"), defined_phases=frozenset({phase}), use=frozenset(use)
    )
    return phase_effects(package, {"environment.bz2": bz2.compress(text.encode())})


def unrun(body, **options):
    """The lines of the finding, or [] when there is none."""
    findings = effects(body, **options).findings
    assert len(findings) <= 1
    return findings[0].message.splitlines()[1:] if findings else []


@pytest.mark.parametrize(
    "body",
    [
        "    xdg_pkg_postinst",
        "    elog 'hello'; einfo \"x $(cat /etc/os-release)\"",
        "    systemctl daemon-reload",
        "    cat <<EOF\nrm -rf /\n}\nEOF\n",
        "    if [[ -n ${REPLACING_VERSIONS} ]]; then\n        rm /etc/old;\n    fi",
        "    [[ -z ${ROOT} ]] && useradd foo",
        "    [[ ${MERGE_TYPE} == binary ]] && return;\n    mkdir /x",
        "    if use doc; then\n        touch /x;\n    else\n        :;\n    fi",
        "    use doc || return 0;\n    touch /x",
        "    case ${x} in \n        a | b)\n            elog y\n        ;;\n    esac",
        "    for f in a b;\n    do\n        ewarn $f;\n    done",
        "    local x=$(ver_cut 1) y=(1 2);\n    x+=('a (b')",
        "    elog x > /dev/null 2>&1",
        "    (( x > 3 )) && elog more",
    ],
)
def test_what_changes_nothing_in_an_image_is_no_finding(body):
    assert unrun(body) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("    mkdir -p \"${EROOT}\"/var/x", 'mkdir -p "${EROOT}"/var/x'),
        ("    if use bar; then\n        touch /x;\n    fi", "touch /x"),
        ("    [[ -e /y ]] && touch /x", "touch /x  (under some condition)"),
        ("    elog \"$(touch /x)\"", "touch /x  (under some condition)"),
        ("    elog `touch /x`", "touch /x  (under some condition)"),
        ("    cat <<EOF\n$(touch /x)\nEOF\n", "touch /x  (under some condition)"),
        ("    echo x > /etc/y", "echo x > /etc/y"),
        ("    \"${cmd}\" foo", '"${cmd}" foo'),
        ("    sed -i s/a/b/ /etc/x", "sed -i s/a/b/ /etc/x"),
        ("    systemctl enable foo", "systemctl enable foo"),
        ("    eselect python set 1", "eselect python set 1"),
        ("    true && false || touch /x", "touch /x"),
        ("    if [[ -e x ]]; then\n  return;\n    fi;\n    touch /x",
         "touch /x  (under some condition)"),
        ("    elog 'no end", "(a quote has no end)"),
        (f"    fcaps {'9' * 5000} usr/bin/x", f"(there is no capability '{'9' * 40}')"),
        ("    fcaps cap_none usr/bin/x", "(there is no capability 'cap_none')"),
        ("    for f in a b;\n    do\n        fcaps cap_kill \"${f}\";\n    done",
         'fcaps cap_kill "${f}"  (under some condition)'),
    ],
)  # fmt: skip
def test_anything_else_is_a_finding_that_shows_the_command(body, line):
    assert unrun(body, use=["bar", "filecaps"]) == [line]


def test_a_finding_can_be_acknowledged_by_package_and_phase():
    (finding,) = effects("    touch /x").findings
    assert finding.key == "unrun-phase:a/foo:pkg_postinst"


def test_functions_of_the_package_are_looked_into():
    functions = "mine () \n{ \n    elog x;\n    touch /x\n}\n"
    assert unrun("    mine", functions=functions) == ["touch /x"]


def test_functions_that_call_each_other_end():
    functions = "one () \n{ \n    two\n}\ntwo () \n{ \n    one\n}\n"
    assert unrun("    one", functions=functions) == []


def test_phases_that_do_not_run_when_merging_do_not_matter():
    assert unrun("    touch /x", phase="prerm") == []


def test_hooks_of_the_profile_count_as_phases():
    hook = "cros_post_pkg_postinst_labels () \n{ \n    touch /x\n}\n"
    (finding,) = effects("    :", functions=hook).findings
    assert finding.subject == "a/foo:cros_post_pkg_postinst_labels"


def test_what_flatcars_profile_leaves_in_every_package_is_no_finding():
    functions = "".join(f"{name} () \n{{ \n    {body}\n}}\n" for name, body in HOOKS.items())
    assert unrun("    :", functions=functions) == []


def test_a_phase_that_the_environment_lacks_is_a_finding():
    package = Package(cpv=Cpv.parse("a/foo-1"), defined_phases=frozenset({"postinst"}))
    (finding,) = phase_effects(package, {}).findings
    assert "pkg_postinst is not in environment.bz2" in finding.message


def test_a_long_phase_is_cut_and_counted():
    lines = unrun("\n".join(f"    touch /x{i};" for i in range(9)))
    assert lines == [f"touch /x{i}" for i in range(5)] + ["and 4 more"]


def test_fcaps_is_understood_with_its_options_and_roots():
    body = 'fcaps -o 0 -g pcap -m 4710 -M 0710 cap_net_raw,cap_net_admin "${ROOT}"/usr/bin/dumpcap'
    (capability,) = effects(body, use=["filecaps"]).capabilities
    assert (capability.path, capability.mode) == ("usr/bin/dumpcap", 0o710)
    assert capability.xattr.hex() == "0100000200300000000000000000000000000000"


def test_fcaps_behind_a_use_flag_follows_the_flag():
    body = "    use caps && fcaps cap_kill usr/bin/x"
    assert len(effects(body, use=["filecaps", "caps"]).capabilities) == 1
    assert effects(body, use=["filecaps"]).capabilities == ()
    assert effects(body, use=["filecaps"]).findings == ()


OLD_FCAPS = "fcaps () \n{ \n    local mode='4711';\n    local caps_mode='711'\n}\n"
NEW_FCAPS = "fcaps () \n{ \n    local mode=;\n    local caps_mode=;\n    use filecaps\n}\n"


def test_fcaps_without_its_use_flag_would_make_the_file_setuid_and_is_a_finding():
    assert "mode 4711 instead" in unrun("    fcaps cap_kill usr/bin/x", functions=OLD_FCAPS)[0]
    assert unrun("    fcaps cap_kill usr/bin/x", functions=NEW_FCAPS) == []


@pytest.mark.parametrize(
    ("functions", "mode"),
    [
        (OLD_FCAPS, 0o711),
        (NEW_FCAPS, 0o755),
        ('declare -- FCAPS_DENY_WORLD_READ="1"\n' + NEW_FCAPS, 0o711),
    ],
)
def test_fcaps_changes_the_mode_as_the_packages_own_copy_would(functions, mode):
    body = "    fcaps cap_kill usr/bin/x"
    (capability,) = effects(body, functions=functions, use=["filecaps"]).capabilities
    assert capability.mode_of(0o755) == mode


def test_several_calls_in_filecaps_are_kept_apart():
    functions = (
        'declare -a FILECAPS=([0]="-M" [1]="755" [2]="cap_kill" [3]="bin/a" '
        '[4]="--" [5]="cap_chown=p" [6]="bin/b c")\n' + OLD_FCAPS
    )
    got = effects("    fcaps_pkg_postinst", functions=functions, use=["filecaps"]).capabilities
    assert [(c.path, c.mode) for c in got] == [("bin/a", 0o755), ("bin/b c", 0o711)]


def test_a_bomb_in_place_of_an_environment_is_an_error(monkeypatch):
    monkeypatch.setattr("sysextlib.install.environment.SIZE_LIMIT", 1000)
    with pytest.raises(PackageError, match="larger than 1000"):
        effects("    :\n" * 1000)


def test_nesting_without_end_is_a_finding_and_not_a_crash():
    assert "deeply" in unrun("    elog " + "$(" * 500 + ")" * 500)[0]
    assert "deeply" in unrun("    elog " + "${a:-" * 500 + "}" * 500)[0]

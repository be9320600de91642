"""Extensions of the demo board, from real packages, judged by the programs of the field."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.demo_board.portage import Portage, find_programs
from sysextlib.base import open_base
from sysextlib.binpkg.binhost import open_binhost
from sysextlib.definition import load_catalogue
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import read_ddi
from sysextlib.progress import Silent
from sysextlib.selinux.label import label_of
from sysextlib.selinux.policy import find_policy
from sysextlib.system.run import run
from sysextlib.tree import Kind
from tests.builders.demo import CHECKOUT, DemoBoard, demo_board
from tests.builders.matchpathcon import lay_out_policy, matchpathcon, with_own_rules
from tests.builders.needs import require_root, require_tool
from tests.builders.tools import image_tools

KEYS = {"containerd": "containerd-flatcar", "docker": "docker-flatcar", "python": "flatcar-python"}
KEYS |= {"kmod-demo": "kmod-demo", "podman": "flatcar-podman", "chrony": "flatcar-chrony"}
KEYS |= {
    name: name for name in ("oem-azure", "oem-hyperv", "oem-qemu", "oem-stackit", "oem-vmware")
}
NAMES = sorted(KEYS.values())

pytestmark = [pytest.mark.demo, pytest.mark.slow]


@pytest.fixture(scope="module")
def board() -> DemoBoard:
    return demo_board()


@pytest.fixture(scope="module")
def built(extensions: Path) -> Path:
    return extensions


def build(output: Path, *words: str) -> None:
    argv = [CHECKOUT / "build_sysext.py", "--board=demo-amd64", f"--image_builddir={output}"]
    done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def partition(image: Path, which: int, out: Path) -> Path:
    ddi = read_ddi(image)
    part = ddi.partitions[which]
    out.write_bytes(ddi.view(part))
    return out


@pytest.mark.parametrize("name", NAMES)
def test_systemd_dissect_accepts_the_image_under_a_strict_policy(built, name):
    argv = image_tools("systemd-dissect").argv("systemd-dissect")
    run([*argv, "--validate", "--image-policy=root=signed+absent", built / f"{name}.raw"])


@pytest.mark.parametrize("name", NAMES)
def test_fsck_veritysetup_and_openssl_accept_the_parts(built, tmp_path, name):
    tools = image_tools("fsck.erofs", "veritysetup", "openssl")
    image = built / f"{name}.raw"
    data = partition(image, 0, tmp_path / "data")
    hashes = partition(image, 1, tmp_path / "hashes")
    signed = json.loads(partition(image, 2, tmp_path / "sign").read_bytes().rstrip(b"\0"))
    run([*tools.argv("fsck.erofs"), data])
    run([*tools.argv("veritysetup"), "verify", data, hashes, signed["rootHash"]])
    (tmp_path / "hash").write_text(signed["rootHash"])
    (tmp_path / "p7.b64").write_text(signed["signature"])
    openssl = tools.argv("openssl")
    run([*openssl, "base64", "-d", "-A", "-in", tmp_path / "p7.b64", "-out", tmp_path / "p7"])
    certificate = CHECKOUT / "__build__/keys/sysext/sysexts.crt"
    flags = ["-verify", "-inform", "DER", "-binary", "-noverify", "-nointern"]
    files = ["-in", tmp_path / "p7", "-content", tmp_path / "hash", "-certfile", certificate]
    run([*openssl, "smime", *flags, *files])


@pytest.mark.root
@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_shows_what_the_reports_say(built, tmp_path, name):
    require_root()
    require_tool("mount", "find")
    place = tmp_path / "mounted"
    place.mkdir()
    data = partition(built / f"{name}.raw", 0, tmp_path / "data")
    run(["mount", "-t", "erofs", "-o", "loop,ro", data, place])
    try:
        found = run(
            ["find", ".", "-printf", "%M %2n %7s %TY-%Tm-%Td %TH:%TM ./%P -> %l\n"], cwd=place
        ).stdout.decode()
    finally:
        run(["umount", place])
    told = (built / f"{name}_contents.txt").read_text()
    without_owner = [" ".join(line.split()[:2] + line.split()[4:]) for line in told.splitlines()]
    seen = [" ".join(line.removesuffix(" -> ").split()) for line in found.splitlines()]
    assert sorted(without_owner) == sorted(seen)


@pytest.mark.oracle
@pytest.mark.parametrize("key", sorted(KEYS))
def test_libselinux_has_the_labels_of_the_image(board, built, tmp_path, key):
    """With our own rules in the place of an administrator's, which win over all as ours do."""
    with open_base(board.image) as base:
        store = lay_out_policy(base, tmp_path)
        contexts = with_own_rules(store, find_policy(base).type, key)
    images = [built / f"{KEYS[key]}.raw", *built.glob(f"{KEYS[key]}.confext.raw")]
    entries = [entry for image in images for entry in read_ddi(image).erofs().entries()]
    seen = 0
    for kind in Kind:
        labels = {f"/{e.path}": label_of(e) for e in entries if e.path and e.kind is kind}
        said = matchpathcon(contexts, list(labels), kind) if labels else {}
        assert said == labels
        seen += len(said)
    assert seen == len([entry for entry in entries if entry.path]) > 0


def test_nothing_of_the_board_has_an_unexpected_finding(built):
    warned = {
        "missing-interpreter:usr/share/libgcrypt20/clean-up-unmanaged-libraries",
        "privileged-unused:usr/bin/fusermount3",
    }
    for name in NAMES:
        found = json.loads((built / f"{name}_manifest.json").read_text())["findings"]
        told = {f"{one['code']}:{one['subject']}" for one in found if one["severity"] == "warning"}
        assert {one for one in told if not one.startswith("kernel-module-unsigned")} <= warned


def test_what_is_built_here_is_all_that_the_board_has_packages_for(board, tmp_path):
    """An extension of another board lacks a package here, so that it cannot be tried."""
    catalogue = load_catalogue(CHECKOUT)
    fitting = {key for key, one in catalogue.items() if one.fits("demo-amd64", Arch.AMD64)}
    assert set(KEYS) == fitting
    packages = open_binhost(str(board.packages), tmp_path, Silent()).packages
    for key in catalogue.keys() - fitting:
        atoms = catalogue[key].packages
        assert not all(any(atom.matches(p.package) for p in packages) for atom in atoms), key


def test_oem_extensions_are_of_their_clouds(built):
    names = {}
    for key in (key for key in KEYS if key.startswith("oem-")):
        release = json.loads((built / f"{key}_manifest.json").read_text())["release"]
        names[release["SYSEXT_ID"]] = (release["SYSEXT_NAME"], release["SYSEXT_VERSION_ID"])
    assert names == {
        "oem-azure": ("Microsoft Azure", "2.12.0.2-r2"),
        "oem-hyperv": ("Microsoft Hyper-V", "0.2.0"),
        "oem-qemu": ("QEMU", "0.0.2"),
        "oem-stackit": ("STACKIT", "0"),
        "oem-vmware": ("VMware", "12.5.0"),
    }


@pytest.mark.parametrize(
    ("name", "there", "gone"),
    [
        (
            "oem-azure",
            {"usr/lib/systemd/system/waagent.service", "usr/bin/eject",
             "usr/lib/systemd/system/multi-user.target.d/10-waagent-sysext.conf",
             "usr/lib/systemd/system/multi-user.target.d/10-oem-azure.conf"},
            {"usr/include", "etc"},
        ),
        (
            "oem-vmware",
            {"usr/share/flatcar/oem-vmware/vmware-tools/tools.conf", "usr/bin/vmtoolsd",
             "usr/lib/systemd/system/multi-user.target.d/10-oem-vmware.conf"},
            {"usr/include", "usr/share/aclocal", "usr/bin/xslt-config", "usr/bin/xmlsec1-config",
             "usr/lib/x86_64-linux-gnu/xsltConf.sh", "usr/lib/x86_64-linux-gnu/pkgconfig",
             "usr/share/open-vm-tools/messages"},
        ),
        ("oem-stackit", {"usr/sbin/chronyd", "usr/share/oem-stackit/chrony.conf"}, set()),
        ("oem-qemu", set(), {"usr/bin"}),
    ],
)  # fmt: skip
def test_oem_extensions_hold_what_their_definitions_are_about(built, name, there, gone):
    told = (built / f"{name}_contents.txt").read_text()
    paths = {line.split(" ./", 1)[1].partition(" -> ")[0] for line in told.splitlines()}
    assert there <= paths
    assert not gone & paths


def test_docker_is_built_on_top_of_containerd(built):
    packages = (built / "docker-flatcar_packages.txt").read_text()
    assert "app-containers/docker-26" in packages
    assert "containerd" not in packages
    assert "app-containers/containerd" in (built / "containerd-flatcar_packages.txt").read_text()


def test_two_builds_give_the_same_bytes(built, tmp_path):
    build(tmp_path, "python", "kmod-demo", "--generate_pkginfo", "--jobs=1")
    for path in tmp_path.iterdir():
        assert digest(path) == digest(built / path.name), path.name


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.root
@pytest.mark.oracle
@pytest.mark.parametrize("key", ["containerd", "docker", "oem-azure", "oem-vmware", "podman"])
def test_real_emerge_wants_the_same_packages_and_then_none(board, built, tmp_path, key):
    """With the base's VDB, and for docker containerd's, emerge plans what was merged.

    With ours on top of it, there is nothing left to do.
    """
    require_root()
    manifest = json.loads((built / f"{KEYS[key]}_manifest.json").read_text())
    merged = sorted(package["cpv"] for package in manifest["packages"])
    root = tmp_path / "root"
    lay_out_vdb(board.image, root)
    if key == "docker":
        lay_out_vdb(built / "containerd-flatcar_pkginfo.raw", root)
    atoms = manifest["order"]["packages"]
    assert pretend(board, root, tmp_path / "before", atoms) == merged
    lay_out_vdb(built / f"{KEYS[key]}_pkginfo.raw", root)
    assert pretend(board, root, tmp_path / "after", ["--noreplace", *atoms]) == []


def lay_out_vdb(image: Path, root: Path) -> None:
    argv = image_tools("unsquashfs").argv("unsquashfs")
    run([*argv, "-force", "-no-progress", "-quiet", "-dest", root, image, "var/db/pkg"])


def pretend(board: DemoBoard, root: Path, work: Path, words: list[str]) -> list[str]:
    """Return the cpvs that real emerge would merge into ``root``."""
    work.mkdir()
    portage = Portage(
        programs=find_programs(),
        work=work,
        overlay=board.overlay,
        config=board.config,
        packages=board.packages,
        extra={},
        jobs=1,
    )
    portage.prepare()
    portage.emerge(["--pretend", "--usepkgonly", "--columns", *words], root, "pretend")
    log = (work / "logs/pretend.log").read_text()
    # with --columns and --quiet: " N     app-containers/runc 1.1.15-1 to ROOT"; the build id is
    # last, and there is none in a .tbz2
    lines = [line.split() for line in log.splitlines() if line.startswith(" N ")]
    return sorted(f"{words[1]}-{re.sub(r'-[0-9]+$', '', words[2])}" for words in lines)


def test_a_build_leaves_nothing_mounted_and_no_scratch(built):
    assert not [name for name in os.listdir(built) if name.startswith(".")]
    mounts = Path("/proc/self/mounts").read_text()
    assert str(built) not in mounts
    assert shutil.disk_usage(built).free > 0

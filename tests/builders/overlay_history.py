"""A git history of the demo board's overlay: plausible commits, and what each means to rebuild.

The answers were reasoned out from the ebuilds of board_overlays/demo-amd64 and the definitions in
sysexts/ by a person; no program wrote them.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tests.builders.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BOARD = "board_overlays/demo-amd64"
OVERLAY = f"{BOARD}/overlay"
CHRONY, CRUN = "net-misc/chrony", "app-containers/crun"
GPGME, PASST = "app-crypt/gpgme", "net-misc/passt"
PYTHON, TINI, YAJL = "dev-lang/python", "sys-process/tini", "dev-libs/yajl"
PODMAN, DOCKER = "app-containers/podman", "app-containers/docker"
CONTAINERD, TOOLS = "app-containers/containerd", "app-emulation/open-vm-tools"
AGENT = "app-emulation/wa-linux-agent"
AZURE, STACKIT, VMWARE = (f"coreos-base/oem-{name}" for name in ("azure", "stackit", "vmware"))

Chains: TypeAlias = "dict[str, tuple[str, ...]]"

OF_PYTHON: Chains = {"oem-azure": (AZURE, AGENT, PYTHON), "python": (PYTHON,)}
OF_CHRONY: Chains = {
    "chrony": (CHRONY,), "oem-azure": (AZURE, CHRONY), "oem-stackit": (STACKIT, CHRONY),
}  # fmt: skip
OF_CONTAINERD: Chains = {"containerd": (CONTAINERD,), "docker": (DOCKER, CONTAINERD)}
OF_TINI: Chains = {"docker": (DOCKER, TINI)}
OF_YAJL: Chains = {"podman": (PODMAN, CRUN, YAJL)}
ON_BOARD: Chains = dict.fromkeys((
    "chrony", "containerd", "docker", "kmod-demo", "oem-azure", "oem-hyperv", "oem-qemu",
    "oem-stackit", "oem-vmware", "podman", "python",
), ())  # fmt: skip
OEM_VARIANTS: Chains = dict.fromkeys((
    "oem-akamai", "oem-cloudsigma", "oem-cloudstack", "oem-digitalocean", "oem-exoscale",
    "oem-hetzner", "oem-hyperv", "oem-kubevirt", "oem-nutanix", "oem-openstack", "oem-oraclecloud",
    "oem-proxmoxve", "oem-qemu", "oem-scaleway", "oem-stackit", "oem-vagrant", "oem-virtualbox",
), ())  # fmt: skip
WITH_SETS: Chains = dict.fromkeys((
    "containerd", "docker", "incus", "kmod-demo", "oem-ami", "oem-azure", "oem-gce", "oem-vmware",
    "overlaybd", "podman", "python", "zfs",
), ())  # fmt: skip


@dataclass(frozen=True)
class Commit:
    """A commit on top of the one before it in HISTORY.

    :param name: of the tag that it bears.
    :param affected: the chain of each extension that must be built again because of it.
    :param cause: the changed file that is named, in the checkout.
    :param copy: files that are copied, by source; :param write: the text of files; :param add:
        what is put at the end of files; :param swap: old and new text in a file.
    :param remove: files that go. :param link: symlinks, by what they lead to.
    :param revert: name of the commit that is taken back.
    :param beyond_portage: extensions of which Portage, with the board's profile, merges the same.
    """

    name: str
    affected: Chains
    cause: str = ""
    copy: Mapping[str, str] = field(default_factory=dict)
    write: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)
    swap: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    link: Mapping[str, str] = field(default_factory=dict)
    revert: str = ""
    beyond_portage: frozenset[str] = frozenset()


def _ebuild(package: str, version: str) -> str:
    return f"{OVERLAY}/{package}/{package.partition('/')[2]}-{version}.ebuild"


TINI_19, TINI_20 = _ebuild(TINI, "0.19.0"), _ebuild(TINI, "0.20.0")
TINI_LIVE = _ebuild(TINI, "9999")
CONTAINERD_24, CONTAINERD_25 = _ebuild(CONTAINERD, "1.7.24"), _ebuild(CONTAINERD, "1.7.25")
PYTHON_5, PYTHON_6 = _ebuild(PYTHON, "3.13.5"), _ebuild(PYTHON, "3.13.6")
CHRONY_6, CHRONY_7 = _ebuild(CHRONY, "4.6.1"), _ebuild(CHRONY, "4.7")
YAJL_1, YAJL_2 = _ebuild(YAJL, "2.1.0"), _ebuild(YAJL, "2.2.0")
PASST_1, IPUTILS = _ebuild(PASST, "0.0_p20250503"), _ebuild("net-misc/iputils", "20240905")
GPGME_1 = _ebuild(GPGME, "1.24.2")
ACCEPTED, MASKED = f"{BOARD}/profile/package.accept_keywords", f"{BOARD}/profile/package.mask"
DEFAULTS, USE_MASK = f"{BOARD}/profile/make.defaults", f"{BOARD}/profile/use.mask"
TESTING = ("inherit deb\n", 'inherit deb\nKEYWORDS="~amd64"\n')
LIVE = ("inherit deb\n", "inherit deb\n[[ ${PV} == 9999 ]] && KEYWORDS=\n")

HISTORY = (
    # -- ebuilds
    Commit("bump", OF_TINI, TINI_20, copy={TINI_20: TINI_19}, remove=(TINI_19,)),
    Commit("add-version", OF_CONTAINERD, CONTAINERD_25, copy={CONTAINERD_25: CONTAINERD_24}),
    Commit("remove-old-version", {}, remove=(CONTAINERD_24,)),
    Commit("add-package", {}, write={_ebuild("net-misc/new", "1"): 'EAPI=8\nSLOT="0"\n'}),
    Commit(
        "add-dependency", {"podman": (PASST,)}, PASST_1,
        swap={PASST_1: ('RDEPEND="', 'RDEPEND="net-misc/iputils ')},
    ),
    Commit(
        "change-new-dependency", {"podman": (PASST, "net-misc/iputils")}, IPUTILS,
        add={IPUTILS: "# new\n"},
    ),
    Commit(
        "change-slot", {"podman": (PODMAN, GPGME)}, GPGME_1, swap={GPGME_1: ("1/11", "2/11")}
    ),
    Commit("revert-slot", {"podman": (PODMAN, GPGME)}, GPGME_1, revert="change-slot"),
    Commit(
        "break", OF_TINI, TINI_20, add={TINI_20: 'DESCRIPTION="unterminated\n'}
    ),
    Commit("repair", OF_TINI, TINI_20, revert="break"),
    Commit(
        "files", {"oem-stackit": (STACKIT,)}, f"{OVERLAY}/{STACKIT}/files/chrony.conf",
        add={f"{OVERLAY}/{STACKIT}/files/chrony.conf": "# new\n"},
    ),
    Commit(
        "live-ebuild", OF_TINI, TINI_20, copy={TINI_LIVE: TINI_20}, remove=(TINI_20,),
        link={TINI_20: "tini-9999.ebuild"}, swap={TINI_LIVE: LIVE},
    ),
    Commit("behind-link", OF_TINI, TINI_LIVE, add={TINI_LIVE: "# new\n"}),
    Commit(  # which a profile's bashrc may apply
        "user-patch", OF_YAJL, f"{OVERLAY}/coreos/user-patches/{YAJL}/0001-fix.patch",
        write={f"{OVERLAY}/coreos/user-patches/{YAJL}/0001-fix.patch": "--- a\n"},
        beyond_portage=frozenset({"podman"}),
    ),
    # -- KEYWORDS
    Commit(
        "add-testing", {}, copy={PYTHON_6: PYTHON_5}, swap={PYTHON_6: TESTING}
    ),
    Commit("stabilise", OF_PYTHON, PYTHON_6, swap={PYTHON_6: ("~amd64", "amd64")}),
    Commit("drop-keyword", OF_PYTHON, PYTHON_6, revert="stabilise"),
    Commit(
        "accept-keyword", OF_PYTHON, ACCEPTED, write={ACCEPTED: "=dev-lang/python-3.13.6 ~amd64\n"}
    ),
    Commit("change-accepted", OF_PYTHON, PYTHON_6, add={PYTHON_6: "# new\n"}),
    Commit("no-longer-accept", OF_PYTHON, ACCEPTED, revert="accept-keyword"),
    # -- masks
    Commit("add-stable", OF_CHRONY, CHRONY_7, copy={CHRONY_7: CHRONY_6}),
    Commit("mask", OF_CHRONY, MASKED, write={MASKED: "=net-misc/chrony-4.7\n"}),
    Commit("change-below-mask", OF_CHRONY, CHRONY_6, add={CHRONY_6: "# new\n"}),
    Commit(  # which profile a board has is not known, and another may not have the mask
        "change-masked", OF_CHRONY, CHRONY_7, add={CHRONY_7: "# new\n"},
        beyond_portage=frozenset(OF_CHRONY),
    ),
    Commit("unmask", OF_CHRONY, MASKED, revert="mask"),
    # -- eclasses
    Commit(
        "eclass", {"podman": (PASST,)}, f"{OVERLAY}/eclass/fcaps.eclass",
        add={f"{OVERLAY}/eclass/fcaps.eclass": "# new\n"},
    ),
    Commit(
        "new-eclass", OF_YAJL, YAJL_2, copy={YAJL_2: YAJL_1},
        swap={YAJL_2: ("inherit deb\n", "inherit deb vendor\n")},
        write={f"{OVERLAY}/eclass/vendor.eclass": 'KEYWORDS="amd64"\n'},
    ),
    Commit(
        "eclass-drops-keyword", OF_YAJL, f"{OVERLAY}/eclass/vendor.eclass",
        swap={f"{OVERLAY}/eclass/vendor.eclass": ("amd64", "~amd64")},
    ),
    # -- USE
    Commit(
        "package-use", {"docker": (DOCKER,)}, f"{BOARD}/profile/package.use",
        swap={f"{BOARD}/profile/package.use": ("cli container-init", "cli")},
    ),
    Commit(
        "board-package-use", {"podman": (PODMAN, CRUN)}, f"{BOARD}/package.use",
        add={f"{BOARD}/package.use": "app-containers/crun static-libs\n"},
    ),
    Commit("use-mask", {"oem-vmware": (VMWARE, TOOLS)}, USE_MASK, write={USE_MASK: "vgauth\n"}),
    Commit("revert-use-mask", {"oem-vmware": (VMWARE, TOOLS)}, USE_MASK, revert="use-mask"),
    Commit(
        "use-of-all", OF_CONTAINERD, DEFAULTS, swap={DEFAULTS: ("selinux systemd", "btrfs selinux")}
    ),
    Commit("python-targets", {}, swap={DEFAULTS: ("python3_13", "python3_13 python3_14")}),
    Commit("cflags", ON_BOARD, DEFAULTS, add={DEFAULTS: 'CFLAGS="-O2"\n'}),
    Commit("debs", ON_BOARD, f"{BOARD}/debs.lock", add={f"{BOARD}/debs.lock": "new 1 0\n"}),
    # -- definitions
    Commit(
        "definition", {"podman": ()}, "sysexts/podman/sysext.toml",
        add={"sysexts/podman/sysext.toml": "# new\n"},
    ),
    Commit(
        "definition-below", {"containerd": (), "docker": ()}, "sysexts/containerd/sysext.toml",
        add={"sysexts/containerd/sysext.toml": "# new\n"},
    ),
    Commit(
        "variants", OEM_VARIANTS, "sysexts/oem/sysext.toml",
        add={"sysexts/oem/sysext.toml": "# new\n"},
    ),
    Commit(
        "definition-files", {"chrony": ()}, "sysexts/chrony/files/usr/share/demo",
        write={"sysexts/chrony/files/usr/share/demo": "new\n"},
    ),
    Commit("sets", WITH_SETS, "sysexts/sets.toml", add={"sysexts/sets.toml": "# new\n"}),
    Commit(
        "labels", {"docker": ()}, "selinux/default/docker.fc",
        add={"selinux/default/docker.fc": "# new\n"},
    ),
    # -- what is unrelated
    Commit(
        "documents", {},
        add={f"{BOARD}/README.md": "new\n", "sysexts/README.md": "new\n", "selinux/README.md": "n"},
        write={"README.md": "new\n", f"{OVERLAY}/{TINI}/metadata.xml": "<pkgmetadata/>\n",
               "sysexts/docker/README.md": "new\n"},
    ),
    Commit("licence", {}, add={f"{OVERLAY}/licenses/MIT": "new\n"}),
    Commit("program", {}, write={"build_sysext.py": "new\n", "ci/test": "new\n"}),
)  # fmt: skip


def write_history(folder: Path) -> Path:
    """Write the board and its history; each of HISTORY has a tag of its name."""
    write_start(folder)
    for commit in HISTORY:
        _apply(folder, commit)
        commit_all(folder, commit.name)
    return folder


def write_start(folder: Path) -> None:
    """Write the demo board, the catalogue and the labels as the first commit, tagged ``start``."""
    for name in (BOARD, "sysexts", "selinux"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    git(folder, "init", "-q")
    commit_all(folder, "start")


def git(folder: Path, *words: str) -> str:
    """Run git as somebody whose settings do not matter."""
    identity = ["-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false"]
    argv = ["git", *identity, "-c", "gc.auto=0", *words]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout


def _apply(folder: Path, commit: Commit) -> None:
    if commit.revert:
        git(folder, "revert", "--no-commit", commit.revert)
    for new, old in commit.copy.items():
        shutil.copyfile(folder / old, folder / new)
    for name in commit.remove:
        (folder / name).unlink()
    for name, target in commit.link.items():
        (folder / name).symlink_to(target)
    for name, text in commit.write.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, text in commit.add.items():
        with (folder / name).open("a") as stream:
            stream.write(text)
    for name, (old, new) in commit.swap.items():
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{commit.name}: {old!r} is not once in {name}"
        (folder / name).write_text(text.replace(old, new))


def commit_all(folder: Path, name: str) -> None:
    """Commit everything under a tag."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", name)
    git(folder, "tag", name)

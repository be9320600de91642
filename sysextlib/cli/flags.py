"""Every flag, once: what it is called, what it means, which commands take it."""

from __future__ import annotations

from dataclasses import dataclass

BUILD = "build"
COMPARE = "compare-installers"
CHAIN = "base-sysexts"
OEM = "oem-partition"
COMMANDS = {
    BUILD: ("NAME... | NAME PACKAGE...", "build extensions of the catalogue, or one of packages"),
    "plan": ("NAME... | NAME PACKAGE...", "show what would be merged and why; writes nothing"),
    COMPARE: ("NAME...", "build with both installers and show every difference"),
    CHAIN: ("[NAME...]", "build the extensions inside an image into its root, in their order"),
    OEM: ("FOLDER", "write what an OEM partition holds for an extension"),
    "list": ("", "show the extensions that a board can have"),
    "verify": ("FILE...", "check images and update payloads"),
    "inspect": ("FILE", "show what is in an image or payload"),
    "metadata": ("REPO...", "write metadata/md5-cache of ebuild repositories, or check it"),
    "affected": ("", "say which extensions a change to ebuilds means to build again, and why"),
    "explain": ("IMAGE...", "say whether systemd would merge images into a system, and why not"),
}
BUILDING = frozenset({BUILD, "plan", COMPARE})
MERGING = frozenset({BUILD, COMPARE})
EVERY = frozenset(COMMANDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag. Without ``value`` it is a boolean, and ``--no-NAME`` switches it off."""

    name: str
    help: str
    commands: frozenset[str]
    value: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    repeat: bool = False


FLAGS = (
    Flag(
        name="board",
        value="BOARD",
        help="board to build for; default: the .default_board file of the checkout, else amd64-usr",
        commands=BUILDING | {CHAIN, OEM, "list"},
    ),
    Flag(
        name="metapkgs",
        value="ATOM,...",
        help="packages to put before the positional ones",
        commands=BUILDING,
    ),
    Flag(
        name="squashfs_base",
        value="FILE",
        help="base image; default: the board's newest local one, else a release",
        commands=BUILDING | {CHAIN, OEM},
    ),
    Flag(
        name="base_root",
        value="FOLDER",
        help="root of the OS image; without --squashfs_base it is packed as the base too",
        commands=frozenset({CHAIN}),
    ),
    Flag(
        name="merged_root",
        value="FOLDER",
        help="also lay out root, extensions and package databases as one, for SBOM and licences",
        commands=frozenset({CHAIN}),
    ),
    Flag(
        name="oem",
        value="ID",
        help="id of the cloud or hypervisor, as in oem-ID",
        commands=frozenset({OEM}),
    ),
    Flag(
        name="grub_cfg",
        value="FILE",
        help="grub.cfg of the OEM partition, copied as it is",
        commands=frozenset({OEM}),
    ),
    Flag(
        name="release",
        value="VERSION",
        help="take base image and packages of a published version, such as 4593.2.0",
        commands=BUILDING | {OEM},
    ),
    Flag(
        name="channel",
        value="NAME",
        help="the channel of --release; alone, its newest version",
        commands=BUILDING | {OEM},
    ),
    Flag(
        name="base_pkginfo",
        value="FILE:...",
        help="package databases of extensions below this one, which count as installed",
        commands=BUILDING,
    ),
    Flag(
        name="binhost",
        value="PLACE",
        repeat=True,
        help="where binary packages are: a folder or URL; again for more; default: the board's",
        commands=BUILDING | {CHAIN},
    ),
    Flag(
        name="image_builddir",
        value="FOLDER",
        help='output folder; default: "sysext" beside the base image',
        commands=frozenset({BUILD, CHAIN, OEM, "list"}),
    ),
    Flag(
        name="compression",
        value="KIND",
        choices=("lz4hc", "lz4", "zstd", "none"),
        help="of the image; default: the definition's, else lz4hc",
        commands=frozenset({BUILD, COMPARE, CHAIN}),
    ),
    Flag(
        name="mkerofs_opts",
        value="OPTIONS",
        help="further options for mkfs.erofs; they replace the tuned defaults of the compression",
        commands=frozenset({BUILD, COMPARE, CHAIN}),
    ),
    Flag(
        name="manglefs_script",
        value="PROGRAM",
        help="program that changes a laid-out copy of the tree; runs in a sandbox",
        commands=MERGING,
    ),
    Flag(
        name="acknowledge",
        value="FINDING",
        repeat=True,
        help="go on in spite of a finding, named as its error names it; again for more",
        commands=MERGING,
    ),
    Flag(
        name="strip_binaries",
        help="strip ELF files that are not stripped",
        commands=MERGING,
    ),
    Flag(
        name="generate_pkginfo",
        help="also write NAME_pkginfo.raw, the package database",
        commands=frozenset({BUILD}),
    ),
    Flag(
        name="ignore_version_mismatch",
        help="only warn when base image and version.txt disagree",
        commands=BUILDING | {CHAIN},
    ),
    Flag(
        name="official",
        help="version.txt is that of an official build, whose version bears no build id",
        commands=BUILDING | {CHAIN},
    ),
    Flag(
        name="build_id",
        value="ID",
        help="build id of the checkout, instead of the one in version.txt",
        commands=BUILDING | {CHAIN},
    ),
    Flag(
        name="installer",
        value="WHO",
        choices=("native", "sdk", "emerge"),
        help="who merges packages: our own installer, emerge in the SDK's container, or emerge of"
        " this machine, which is the SDK; default: the board's",
        commands=MERGING | {CHAIN},
    ),
    Flag(
        name="profile",
        value="FOLDER",
        help="profile of Portage's that decides USE flags, masks and keywords for our own installer"
        " as for emerge, such as BOARD/etc/portage/make.profile",
        commands=BUILDING | {CHAIN},
    ),
    Flag(
        name="sdk_container",
        value="NAME",
        help="use the SDK container that runs under this name",
        commands=MERGING | {CHAIN},
    ),
    Flag(
        name="sdk_image",
        value="IMAGE",
        help="the SDK's container image, by name or digest; default: the board's",
        commands=MERGING | {CHAIN},
    ),
    Flag(
        name="build_missing",
        help="build packages that no binhost has in the SDK, into the first local binhost",
        commands=MERGING | {CHAIN},
    ),
    Flag(
        name="emerge_log",
        help="also write NAME_emerge.log when emerge succeeded",
        commands=frozenset({BUILD}),
    ),
    Flag(
        name="install_root_basename",
        value="NAME",
        default="install-root",
        help="the last part of emerge's ROOT, which package hooks look at; a definition's"
        " own name stands above the default",
        commands=BUILDING,
    ),
    Flag(
        name="payload",
        help="write an update payload beside the image; default. --no-payload leaves it out",
        commands=frozenset({BUILD}),
    ),
    Flag(
        name="payload_key",
        value="FILE",
        repeat=True,
        help="RSA key (PEM) that signs the update payload; default: one made for this checkout",
        commands=frozenset({BUILD}),
    ),
    Flag(
        name="module_key",
        value="FILE",
        help="certificate (PEM) of the key that must have signed kernel modules; default:"
        " MODULES_SIGN_CERT, else a warning where they are unsigned and the base's are not",
        commands=frozenset({BUILD, CHAIN}),
    ),
    Flag(
        name="certificate",
        value="FILE",
        help="certificate (PEM) that images must be signed with; explain: that the system has too",
        commands=frozenset({"verify", "explain"}),
    ),
    Flag(
        name="payload_pubkey",
        value="FILE",
        help="public key (PEM) that payloads must be signed with",
        commands=frozenset({"verify"}),
    ),
    Flag(
        name="selinux",
        help="label files as the base's SELinux policy says; --no-selinux: do not",
        commands=frozenset({BUILD}),
    ),
    Flag(
        name="selinux_policy",
        value="FOLDER",
        help="label by this policy, a folder like /etc/selinux, instead of the base's",
        commands=frozenset({BUILD}),
    ),
    Flag(
        name="labels",
        help="list the SELinux labels of an image, and nothing else",
        commands=frozenset({"inspect"}),
    ),
    Flag(
        name="base",
        value="PLACE",
        help="the system to explain for: a base image, or the folder of a root",
        commands=frozenset({"explain"}),
    ),
    Flag(
        name="host",
        help="explain for the system that we run on",
        commands=frozenset({"explain"}),
    ),
    Flag(
        name="image_policy",
        value="POLICY",
        help="what systemd-sysext is given as --image-policy; default: systemd's own",
        commands=frozenset({"explain"}),
    ),
    Flag(
        name="out",
        value="FOLDER",
        help="folder for the entries; default: metadata/md5-cache of each repository",
        commands=frozenset({"metadata"}),
    ),
    Flag(
        name="check",
        help="write nothing, compare with the entries that are there",
        commands=frozenset({"metadata"}),
    ),
    Flag(
        name="since",
        value="REVISION",
        help="git revision that the working tree is compared with",
        commands=frozenset({"affected"}),
    ),
    Flag(
        name="repo",
        value="FOLDER",
        repeat=True,
        help="ebuild repository in a git checkout; again for those that it builds on",
        commands=frozenset({"affected"}),
    ),
    Flag(
        name="runtime",
        help="follow run-time dependencies alone: what is only needed to build packages, such as"
        " a compiler, is left out",
        commands=frozenset({"affected"}),
    ),
    Flag(
        name="offline",
        help="use only what is here or in the cache",
        commands=BUILDING | {CHAIN, OEM},
    ),
    Flag(
        name="jobs",
        value="N",
        help="work on N things at once; default: the number of processors",
        commands=BUILDING | {CHAIN, "verify", "metadata"},
    ),
    Flag(
        name="cache",
        help="leave outputs that nothing has changed for; default. --no-cache builds anew",
        commands=frozenset({BUILD, CHAIN}),
    ),
    Flag(
        name="plan",
        help="show what the build would merge, as the command plan does",
        commands=frozenset({BUILD}),
    ),
    Flag(name="json", help="print the result as JSON", commands=EVERY),
    Flag(
        name="quiet", help="print nothing but the paths of the images", commands=frozenset({BUILD})
    ),
)

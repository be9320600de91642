"""systemd itself judges our reading of image policies, partition types and names."""

import random
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from sysextlib.errors import ValueSyntaxError
from sysextlib.explain.look import DESIGNATORS, GENERIC, look
from sysextlib.explain.policy import (
    FILE_SYSTEMS,
    GROW,
    PARTITIONS,
    READ_ONLY,
    SHORTCUTS,
    USES,
    parse_policy,
)
from sysextlib.explain.protection import protect
from sysextlib.explain.verdict import explain_image
from sysextlib.image.gpt import READ_ONLY as READ_ONLY_BIT
from tests.builders.images import (
    extension,
    file_system,
    host,
    partitioned,
    signed,
    unsigned,
)
from tests.builders.keys import private_key, signing_key, write_pair
from tests.builders.needs import require_tool
from tests.builders.tools import image_tools, repart_image

pytestmark = [pytest.mark.oracle, pytest.mark.tool]
MISMATCH = "does not match image policy"


def uuid_of(name: str) -> UUID:
    return next(uuid for uuid, known in DESIGNATORS.items() if known == name)


def validate(image: Path, policy: str) -> "subprocess.CompletedProcess[str]":
    argv = image_tools("systemd-dissect").argv("systemd-dissect")
    words = [*argv, "--validate", f"--image-policy={policy}", str(image)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, Path]:
    image_tools("mkfs.erofs")
    require_tool("mksquashfs")
    folder = tmp_path_factory.mktemp("images")
    fs = file_system(folder / "erofs.raw", extension())
    whole = look(signed(folder / "signed.raw", extension()))
    data = fs.read_bytes()
    usr = [
        (uuid_of(f"usr{end}"), READ_ONLY_BIT, bytes(part.data))
        for end, part in zip(("", "-verity", "-verity-sig"), whole.parts, strict=True)
    ]
    root = [(uuid_of("root"), 0, data)]
    return {
        "signed": folder / "signed.raw",
        "unsigned": unsigned(folder / "unsigned.raw", extension()),
        "erofs": fs,
        "squashfs": file_system(folder / "squashfs.raw", extension(), squashfs=True),
        "root": partitioned(folder / "root.raw", root),
        "root read-only": partitioned(folder / "ro.raw", [(uuid_of("root"), READ_ONLY_BIT, data)]),
        "root growfs": partitioned(folder / "grow.raw", [(uuid_of("root"), 1 << 59, data)]),
        "generic": partitioned(folder / "generic.raw", [(uuid_of(GENERIC), 0, data)]),
        "usr signed": partitioned(folder / "usr.raw", usr),
        "root and home": partitioned(folder / "home.raw", [*root, (uuid_of("home"), 0, data)]),
        "root and usr": partitioned(folder / "both.raw", [*root, (uuid_of("usr"), 0, data)]),
        "root, and hidden usr": partitioned(
            folder / "hidden.raw", [*root, (uuid_of("usr"), 1 << 63, data)]
        ),
    }


KNOWN = [
    "root=signed+absent:usr=signed+absent",
    "root=signed:usr=signed",
    "root=verity+signed+absent:usr=verity+signed+absent",
    "root=verity+absent",
    "root=unprotected+absent:usr=unprotected+absent",
    "root=encrypted",
    "root=signed:root-verity=absent",
    "root=signed:root-verity-sig=unused+absent",
    "root=open:usr=open:=absent",
    "root=open+read-only-on",
    "root=unprotected+read-only-off+growfs-off",
    "root=:usr=absent",
    "root=ignore:usr=open",
    "*",
    "",
    "-",
    "~",
    "=open",
]


def random_policies(count: int) -> list[str]:
    chance = random.Random(7)  # the same policies every time
    found = []
    for _ in range(count):
        rules = []
        names = chance.sample(["root", "usr", *PARTITIONS], chance.randint(1, 4))
        for name in dict.fromkeys([*names, *([""] if chance.random() < 0.4 else [])]):
            words = chance.sample(USES, chance.randint(1, 4))
            words += [
                both[chance.randint(0, 1)] for both in (READ_ONLY, GROW) if chance.random() < 0.2
            ]
            words += chance.sample(list(SHORTCUTS), 1) if chance.random() < 0.2 else []
            rules.append(f"{name}={'+'.join(words)}")
        found.append(":".join(rules))
    return found


def agree(image: Path, policy: str) -> str:
    """Return how systemd and we differ over an image; "" when we do not."""
    theirs = validate(image, policy)
    ours = protect(look(image), parse_policy(policy))
    # "nothing to use" is no error for a mere look at an image; sysext requires a root or usr
    if "lets be used" in ours.fault or "no root be used" in ours.fault:
        return ""
    refused = theirs.returncode != 0
    if refused == bool(ours.fault):
        return ""
    return f"{policy}: systemd {theirs.stderr.strip() or 'accepts'}, we {ours.fault or 'accept'}"


@pytest.mark.parametrize("policy", KNOWN)
def test_systemd_dissect_refuses_what_we_refuse(images, policy):
    differ = {name: told for name, image in images.items() if (told := agree(image, policy))}
    assert differ == {}


@pytest.mark.slow
def test_systemd_dissect_agrees_over_made_up_policies(images):
    differ = [
        f"{name}: {told}"
        for policy in random_policies(120)
        for name, image in images.items()
        if (told := agree(image, policy))
    ]
    assert differ == []


def is_refused(policy: str) -> bool:
    try:
        parse_policy(policy)
    except ValueSyntaxError:
        return True
    return False


@pytest.mark.parametrize(
    "policy",
    [
        *("root", "root=signed:", "roat=signed", "root=absend", "root=signed++absent"),
        *("root=open:root=absent", "=open:=absent", ":", "=", "root=", "root=-", "root= open "),
        *(" root =open", "root=signed+", "+", "*:", "root=open::usr=open", "root=open=absent"),
        *("ROOT=open", "root=Open", "root=-+open", "root=~", "root=*"),
    ],
)
def test_what_is_a_policy_is_what_systemd_takes(images, policy):
    theirs = validate(images["signed"], policy)
    assert MISMATCH in theirs.stderr or theirs.returncode == 0 or "policy" in theirs.stderr
    refused = "arse" in theirs.stderr or "Unknown" in theirs.stderr or "Duplicate" in theirs.stderr
    assert refused == is_refused(policy), theirs.stderr


def test_flags_for_file_systems_are_newer_than_this_systemd():
    """Known from systemd 259 on; this oracle is older, so only the reading is ours."""
    assert parse_policy("root=open+erofs").rules["root"] >= {"erofs"}
    assert set(FILE_SYSTEMS) >= {"erofs", "squashfs"}


def test_systemd_id128_knows_every_partition_type():
    argv = image_tools("systemd-dissect").argv("systemd-dissect")
    program = [word.replace("systemd-dissect", "systemd-id128") for word in argv]
    shown = subprocess.run([*program, "show"], capture_output=True, text=True, check=True).stdout
    theirs = {UUID(line.split()[1]): line.split()[0] for line in shown.splitlines()[1:]}
    for uuid, name in DESIGNATORS.items():
        assert theirs[uuid].replace("-x86-64", "").replace("-aarch64", "") == name


@pytest.mark.parametrize("signature", [True, False])
@pytest.mark.parametrize(("kind", "top"), [("sysext", "usr/lib"), ("confext", "etc")])
def test_what_systemd_repart_makes_is_judged_as_ours_is(tmp_path, kind, top, signature):
    key = signing_key()
    keys = write_pair(tmp_path / "keys", private_key(), key.certificate)
    fs = file_system(tmp_path / "fs", extension(folder=top))
    partitions = {"root": f"CopyBlocks={fs}\nVerity=data", "root-verity": "Verity=hash"}
    if signature:
        partitions["root-verity-sig"] = "Verity=signature"
    image = repart_image(tmp_path / "x.raw", partitions, keys)
    strict = explain_image(image, host(key), parse_policy(KNOWN[0]))
    assert (strict.kind, strict.effect) == (kind, "merged" if signature else "stops all")
    loose = explain_image(image, host(), None)
    assert loose.effect == ("stops all" if signature else "merged")

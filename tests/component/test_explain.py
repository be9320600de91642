"""What explain says of each kind of image is what a real systemd 257 was seen to do with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysextlib.errors import BaseError, VerifyError
from sysextlib.explain.host import host_of
from sysextlib.explain.look import DESIGNATORS, GENERIC
from sysextlib.explain.policy import parse_policy
from sysextlib.explain.verdict import Effect, Verdict, explain_image
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import TYPES, read_ddi
from sysextlib.system.run import run
from sysextlib.tree import Tree, file_entry
from tests.builders.base import elf, lay_out, tree_of, write_squashfs
from tests.builders.images import (
    RELEASE,
    extension,
    file_system,
    flipped,
    folder,
    host,
    partitioned,
    signed,
    unsigned,
)
from tests.builders.keys import certificate, private_key, signing_key
from tests.builders.needs import require_tool
from tests.builders.tools import image_tools

pytestmark = pytest.mark.tool
ROOT = Path(__file__).parents[2]
ROOT_TYPE, _, _ = TYPES[Arch.AMD64]
KEY, OTHER = signing_key(), signing_key(number=1)
STRICT = "root=signed+absent:usr=signed+absent"
ANY, SKIP, STOP, HURT = Effect.MERGED, Effect.SKIPPED, Effect.STOPS_ALL, Effect.DAMAGED


def explain(path: Path, policy: str | None = None, on=None) -> Verdict:
    return explain_image(path, on or host(KEY), parse_policy(policy) if policy else None)


def said(verdict: Verdict) -> str:
    return "\n".join((verdict.line, *(r.text for r in verdict.reasons), *verdict.notes))


def both(path: Path, on=None) -> tuple[Effect, Effect]:
    return explain(path, on=on).effect, explain(path, STRICT, on).effect


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_signed_and_trusted_is_merged_under_every_policy(tmp_path, kind):
    key = signing_key(kind)
    image = signed(tmp_path / "x.raw", extension(), key)
    assert both(image, host(OTHER, key)) == (ANY, ANY)
    assert "signed; /etc/verity.d/1.crt fits" in said(explain(image, on=host(OTHER, key)))


def test_signed_and_not_trusted_stops_all_under_every_policy(tmp_path):
    image = signed(tmp_path / "x.raw", extension())
    assert both(image, host()) == both(image, host(signing_key("p256"))) == (STOP, STOP)
    told = said(explain(image, on=host()))
    assert "no certificate fits its signature by CN=test key" in told
    assert "kernel's keyring" in told


def test_verity_without_a_signature_is_merged_unless_the_policy_insists(tmp_path):
    image = unsigned(tmp_path / "x.raw", extension())
    assert both(image) == (ANY, STOP)
    assert "nothing protects its bytes" in said(explain(image))
    assert "is verity, the policy wants signed or absent" in said(explain(image, STRICT))
    assert explain(image, "root=verity+signed+absent").effect is ANY


@pytest.mark.parametrize("squashfs", [False, True])
def test_a_bare_file_system_is_merged_unless_the_policy_insists(tmp_path, squashfs):
    if squashfs:
        require_tool("mksquashfs")
    image = file_system(tmp_path / "x.raw", extension(), squashfs=squashfs)
    assert both(image) == (ANY, STOP)
    assert explain(image, "root=verity+signed+absent").effect is STOP


def test_a_folder_is_under_no_policy(tmp_path):
    assert both(folder(tmp_path / "x", extension())) == (ANY, ANY)


def test_a_changed_byte_of_data_fails_when_it_is_read(tmp_path):
    image = signed(tmp_path / "x.raw", extension(more={"usr/share/n": os.urandom(300_000)}))
    flipped(image, read_ddi(image).data.offset + 20 * 4096)
    assert both(image) == (HURT, HURT)
    assert "block 20 of the file system does not match its hash" in said(explain(image))


def test_a_changed_byte_of_the_hash_tree_stops_all(tmp_path):
    image = signed(tmp_path / "x.raw", extension())
    flipped(image, read_ddi(image).hashes.offset + 4096)
    assert both(image) == (STOP, STOP)


def test_a_changed_signature_or_signed_root_hash_stops_all(tmp_path):
    image = signed(tmp_path / "x.raw", extension())
    data = image.read_bytes()
    ddi = read_ddi(image)
    old = ddi.signature.root_hash.encode()
    image.write_bytes(data.replace(old, old[::-1]))
    assert both(image) == (STOP, STOP)
    assert "does not fit the root hash" in said(explain(image))


def test_the_certificate_inside_the_signature_has_no_say(tmp_path):
    twin = certificate(private_key(), name="test key", days=1)  # same issuer, number and key
    assert twin != KEY.certificate
    on = host(type(KEY)(KEY.key, twin, ""))
    assert both(signed(tmp_path / "x.raw", extension()), on) == (ANY, ANY)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"VERSION_ID": "2"}, "VERSION_ID is 2, the system's is 1"),
        ({"ID": "other"}, "ID is other"),
        ({"ARCHITECTURE": "arm64"}, "ARCHITECTURE is arm64"),
        ({"SYSEXT_SCOPE": "initrd"}, "SYSEXT_SCOPE is initrd"),
    ],
)
def test_what_does_not_fit_is_skipped_alone(tmp_path, change, told):
    image = signed(tmp_path / "x.raw", extension(release={**RELEASE, **change}))
    assert both(image) == (SKIP, SKIP)
    assert told in explain(image).line


def test_any_id_is_merged(tmp_path):
    image = signed(tmp_path / "x.raw", extension(release={"ID": "_any"}))
    assert both(image) == (ANY, ANY)


@pytest.mark.parametrize(
    ("file", "name", "effect"),
    [
        ("x.raw", "y", STOP),
        ("x-1.2.3.raw", "x", STOP),
        ("x-1.2.3.raw", "x-1.2.3", ANY),
        ("x_1.2.3.raw", "x", ANY),
        ("x_1.2.3.raw", "x_1.2.3", ANY),
        ("x_1.2.3+3-0.raw", "x", ANY),
        ("x.sysext.raw", "x", ANY),
        ("x.sysext.raw", "x.sysext", STOP),
        ("x.raw.v/x_1.raw", "x", ANY),
        ("x.v/y_1.raw", "x", STOP),
        ("x.img", "x", SKIP),
    ],
)
def test_a_file_name_and_the_extension_release_must_agree(tmp_path, file, name, effect):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    assert explain(signed(path, extension(name))).effect is effect


def test_the_names_that_systemd_uses(tmp_path):
    (tmp_path / "x.raw.v").mkdir()
    one = signed(tmp_path / "x.raw.v/x_7.raw", extension())
    two = signed(tmp_path / "y.sysext.raw", extension("y"))
    assert (explain(one).name, explain(two).name) == ("x", "y")


def test_a_folder_of_versions_is_not_taken_for_an_image(tmp_path):
    (tmp_path / "x.raw.v").mkdir()
    assert explain(tmp_path / "x.raw.v").effect is Effect.UNKNOWN


@pytest.mark.parametrize(("value", "effect"), [(b"0", ANY), (b"1", STOP), (b"", STOP)])
def test_an_xattr_lets_the_names_differ(tmp_path, value, effect):
    xattrs = (("user.extension-release.strict", value),)
    image = signed(tmp_path / "y.raw", extension(xattrs=xattrs))
    assert explain(image).effect is effect


@pytest.mark.parametrize("data", [b"", b"ID=\xff\n", b"# nothing\n"])
def test_an_extension_release_that_says_nothing_is_skipped(tmp_path, data):
    stamp = file_entry("usr/lib/extension-release.d/extension-release.x", data)
    image = signed(tmp_path / "x.raw", Tree([stamp]))
    assert both(image) == (SKIP, SKIP)
    assert "says anything" in explain(image).line


def test_a_misnamed_folder_is_only_skipped(tmp_path):
    verdict = explain(folder(tmp_path / "y", extension("x")))
    assert verdict.effect is SKIP
    assert (
        "extension-release.y, but usr/lib/extension-release.d/extension-release.x" in verdict.line
    )


def test_an_os_release_inside_is_refused(tmp_path):
    tree = extension(more={"usr/lib/os-release": b"ID=evil\n"})
    assert explain(signed(tmp_path / "x.raw", tree)).effect is SKIP
    assert explain(folder(tmp_path / "x", tree)).effect is STOP


def test_a_confext_is_told_by_its_name_or_its_content(tmp_path):
    tree = extension(folder="etc")
    for file in ("x.confext.raw", "x.raw"):
        verdict = explain(signed(tmp_path / file, tree), STRICT)
        assert (verdict.kind, verdict.effect, verdict.name) == ("confext", ANY, "x")
    misplaced = explain(signed(tmp_path / "x.sysext.raw", tree))
    assert (misplaced.kind, misplaced.effect) == ("sysext", SKIP)
    sysext = explain(signed(tmp_path / "y.confext.raw", extension("y")))
    assert (sysext.kind, sysext.effect) == ("confext", SKIP)
    named = explain(signed(tmp_path / "z.confext.raw", extension("z.confext", folder="etc")))
    assert named.effect is STOP


@pytest.mark.parametrize("content", [b"", b"x" * 100_000, b"hsqs" + bytes(5000)])
def test_what_is_no_image_stops_all(tmp_path, content):
    (tmp_path / "x.raw").write_bytes(content)
    assert explain(tmp_path / "x.raw").effect is STOP


def test_a_squashfs_within_a_partition_is_read(tmp_path):
    require_tool("mksquashfs")
    data = file_system(tmp_path / "fs", extension(), squashfs=True).read_bytes()
    assert both(partitioned(tmp_path / "x.raw", [(ROOT_TYPE, 0, data)])) == (ANY, STOP)


def test_what_we_cannot_read_is_not_judged_unless_the_policy_forbids_it(tmp_path):
    require_tool("mksquashfs")
    root = folder(tmp_path / "root", extension())
    argv = ["mksquashfs", root, tmp_path / "x.raw", "-comp", "lz4", "-quiet", "-no-progress"]
    run(argv)
    assert both(tmp_path / "x.raw") == (Effect.UNKNOWN, STOP)
    (tmp_path / "y.raw").write_bytes(bytes(1080) + b"\x53\xef" + bytes(5000))
    verdict = explain(tmp_path / "y.raw")
    assert verdict.line.endswith("cannot be judged: it holds ext4, which is not read here")


def test_an_image_cut_short_stops_all(tmp_path):
    image = signed(tmp_path / "x.raw", extension())
    image.write_bytes(image.read_bytes()[:-5000])
    assert explain(image).effect is STOP


def test_a_generic_partition_serves_as_root_when_it_is_alone(tmp_path):
    uuid = next(uuid for uuid, name in DESIGNATORS.items() if name == GENERIC)
    data = file_system(tmp_path / "fs", extension()).read_bytes()
    assert both(partitioned(tmp_path / "x.raw", [(uuid, 0, data)])) == (ANY, STOP)
    assert explain(partitioned(tmp_path / "x.raw", [(uuid, 0, data)] * 2)).effect is STOP


def test_encrypted_or_signed_lets_in_what_is_neither(tmp_path):
    data = file_system(tmp_path / "fs", extension()).read_bytes()
    image = partitioned(tmp_path / "x.raw", [(ROOT_TYPE, 0, data)])
    assert explain(image, "root=signed+absent").effect is STOP
    assert explain(image, "root=encrypted+absent").effect is STOP
    assert explain(image, "root=encrypted+signed+absent").effect is ANY


def test_a_usr_partition_holds_its_files_without_usr(tmp_path):
    uuid = next(uuid for uuid, name in DESIGNATORS.items() if name == "usr")
    tree = extension(folder="lib")
    data = file_system(tmp_path / "fs", tree).read_bytes()
    assert both(partitioned(tmp_path / "x.raw", [(uuid, 0, data)])) == (ANY, STOP)


def test_all_reasons_are_told_the_worst_first(tmp_path):
    image = unsigned(tmp_path / "x.raw", extension(release={**RELEASE, "VERSION_ID": "2"}))
    verdict = explain(image, STRICT)
    assert [reason.effect for reason in verdict.reasons] == [STOP, SKIP]


def test_what_lies_beside_an_image_is_told(tmp_path):
    image = file_system(tmp_path / "x.raw", extension())
    (tmp_path / "x.roothash").write_text("00")
    assert "x.roothash lies beside it" in said(explain(image))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(VerifyError, match="does not exist"):
        explain(tmp_path / "x.raw")


BASE = {
    "bin": "usr/bin",
    "usr/bin/sh": elf(183),
    "usr/lib/os-release": b"ID=demo\nVERSION_ID=1\n",
    "etc/os-release": "../usr/lib/os-release",
}


def pem(key) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(key.certificate.public_bytes(Encoding.PEM))


def test_a_host_is_read_from_a_base_image_or_a_folder_alike(tmp_path):
    require_tool("mksquashfs")
    tree = tree_of(
        {
            **BASE,
            "usr/lib/verity.d/a.crt": pem(KEY),
            "usr/lib/verity.d/hidden.crt": pem(KEY),
            "etc/verity.d/hidden.crt": "/dev/null",
            "etc/verity.d/b.crt": pem(OTHER),
            "etc/verity.d/c.pem": pem(OTHER),
            "etc/verity.d/d.crt": b"no certificate",
        }
    )
    lay_out(tree, tmp_path / "root")
    for place in (tmp_path / "root", write_squashfs(tree, tmp_path / "base")):
        found = host_of(place)
        assert (found.os_release["ID"], found.arch) == ("demo", "arm64")
        paths = [one.path for one in found.certificates]
        assert paths == ["/usr/lib/verity.d/a.crt", "/etc/verity.d/b.crt"]


def test_etc_os_release_comes_before_that_of_usr_and_links_stay_inside(tmp_path):
    lay_out(tree_of({**BASE, "etc/os-release": b"ID=etc\n"}), tmp_path / "a")
    assert host_of(tmp_path / "a").os_release["ID"] == "etc"
    escaping = {**BASE, "etc/os-release": "../../../../../../usr/lib/os-release"}
    lay_out(tree_of(escaping), tmp_path / "b")
    assert host_of(tmp_path / "b").os_release["ID"] == "demo"
    lay_out(tree_of({"usr": None}), tmp_path / "c")
    with pytest.raises(BaseError, match="does not say its ID"):
        host_of(tmp_path / "c")


def call(*words: object) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, ROOT / "build_sysext.py", "explain", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_command_tells_a_line_each_and_what_they_do_to_each_other(tmp_path):
    image_tools("mkfs.erofs")
    tree = tree_of({**BASE, "usr/bin/sh": elf(62), "usr/lib/verity.d/a.crt": pem(KEY)})
    lay_out(tree, tmp_path / "root")
    good = signed(tmp_path / "x.raw", extension())
    bad = unsigned(tmp_path / "y.raw", extension("y"))
    on = (f"--base={tmp_path}/root", f"--image-policy={STRICT}")
    done = call(good, *on)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{good}: would be merged as sysext x" in done.stdout
    done = call(good, bad, *on)
    assert done.returncode == 27
    assert done.stdout.endswith("together: no sysext is merged, because of y.raw\n")
    values = json.loads(call(good, bad, *on, "--json").stdout)
    assert [one["effect"] for one in values["images"]] == ["merged", "stops all"]
    assert values["host"]["certificates"] == ["/usr/lib/verity.d/a.crt"]


def test_the_command_warns_of_the_trap_and_takes_a_certificate(tmp_path):
    lay_out(tree_of({**BASE, "usr/bin/sh": elf(62)}), tmp_path / "root")
    (tmp_path / "my.crt").write_bytes(pem(KEY))
    image = signed(tmp_path / "x.raw", extension())
    words = (image, f"--base={tmp_path}/root", "--image-policy=root=verity+signed")
    assert call(*words).returncode == 27
    done = call(*words, f"--certificate={tmp_path}/my.crt")
    assert done.returncode == 0, done.stdout
    assert "warning: image policy: root=verity+signed also accepts" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "needs images"),
        (("x.raw",), 2, "for which system"),
        (("x.raw", "--host", "--base=/"), 2, "for which system"),
        (("x.raw", "--base=/nonexistent"), 2, "does not exist"),
        (("x.raw", "--base=/", "--image_policy=root=sined"), 7, "did you mean signed?"),
        (("/nonexistent.raw", "--host"), 20, "does not exist"),
    ],
)
def test_a_call_that_cannot_be_is_refused(words, code, told):
    done = call(*words)
    assert done.returncode == code
    assert told in done.stderr

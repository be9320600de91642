"""Kernel modules of two extensions that are merged side by side, found by plain modprobe."""

import lzma
from pathlib import Path

import pytest

from ci.vm.payload import checkout_certificate
from ci.vm.root import POLICY
from sysextlib.base import open_base
from sysextlib.definition import Compression, KernelModules
from sysextlib.edit.changes import EditContext
from sysextlib.edit.modules import add_modules
from sysextlib.gentoo.arch import Arch
from sysextlib.image.ddi import read_ddi, write_ddi
from sysextlib.image.keys import load_signing_key
from sysextlib.image.release import ExtensionRelease
from sysextlib.system.run import run
from sysextlib.tree import Tree, file_entry
from tests.builders.definition import sysext
from tests.builders.demo import demo_board
from tests.builders.tools import image_tools
from tests.builders.vm import Vm

pytestmark = [pytest.mark.vm, pytest.mark.vm_more, pytest.mark.demo, pytest.mark.slow]

SECONDS = 900
SIGNATURE = b"~Module signature appended~\n"


def acpi_call(image: Path, folder: Path) -> bytes:
    """The module that was compiled for the demo board."""
    ddi = read_ddi(image)
    data = folder / "data"
    data.write_bytes(ddi.view(ddi.data))
    run([*image_tools("fsck.erofs").argv("fsck.erofs"), f"--extract={folder / 'tree'}", data])
    (found,) = folder.glob("tree/usr/lib/modules/*/extra/acpi_call.ko")
    return found.read_bytes()


def renamed(module: bytes, old: bytes, new: bytes) -> bytes:
    """A module of the base under another name, and without the signature that it breaks."""
    assert len(old) == len(new)
    if module.endswith(SIGNATURE):
        end = len(module) - len(SIGNATURE)
        module = module[: end - 12 - int.from_bytes(module[end - 4 : end])]
    return module.replace(old, new)


def write_image(out: Path, name: str, module: str, data: bytes, how: KernelModules) -> Path:
    """An extension with one module, and what makes modprobe find it."""
    board = demo_board()
    kernel = board.kernel
    with open_base(board.image) as base:
        epoch = base.epoch
        context = EditContext(kernel_suffix=kernel, epoch=epoch, read_base=base.read)
        release = ExtensionRelease(
            name=name, os_id=base.id, version_id=base.version_id, arch=Arch.AMD64
        )
        tree = Tree([file_entry(f"usr/lib/modules/{kernel}/extra/{module}.ko", data)])
        made = add_modules(tree, sysext(key=name, name=name, kernel_modules=how), context).tree
    tree = made.updated([file_entry(release.path, release.text().encode())])
    path = out / how.value / f"{name}.raw"
    path.parent.mkdir(exist_ok=True)
    key = load_signing_key(checkout_certificate().parent)
    tools = image_tools("mkfs.erofs")
    write_ddi(
        tree,
        path,
        arch=Arch.AMD64,
        seed=name.encode(),
        epoch=epoch,
        key=key,
        tools=tools,
        compression=Compression.NONE,
    )
    return path


@pytest.fixture(scope="module")
def vm(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    board = demo_board()
    place = f"usr/lib/modules/{board.kernel}/kernel/net/netfilter/xt_comment.ko.xz"
    with open_base(board.image) as base:
        comment = base.read(place)
    assert comment is not None
    modules = {
        "first": ("acpi_call", acpi_call(built["kmod-demo.raw"], folder)),
        "second": ("xt_komment", renamed(lzma.decompress(comment), b"xt_comment", b"xt_komment")),
    }
    images = {
        f"{how}/{name}.raw": write_image(folder, name, module, data, how)
        for how in KernelModules
        for name, (module, data) in modules.items()
    }
    with Vm(images=images) as running:
        yield running


@pytest.mark.parametrize("how", KernelModules)
def test_modprobe_finds_the_modules_of_both_and_those_of_the_base(vm, how):
    refresh = f"systemd-sysext refresh --image-policy={POLICY}"
    vm.ok(f"ln -sf /mnt/payload/{how}/*.raw /run/extensions/ && {refresh}", SECONDS)
    assert vm.merged_names() == {"first", "second"}
    for module in ("acpi_call", "xt_komment", "xfs"):
        assert vm.run(f"grep -w ^{module} /proc/modules").code != 0
        vm.ok(f"modprobe {module} && grep -w ^{module} /proc/modules", SECONDS)
    # which the second one needs, and the base has
    assert "xt_komment" in vm.ok("grep -w ^x_tables /proc/modules")
    for module in ("acpi_call", "xt_komment", "xfs"):
        vm.ok(f"modprobe --remove {module}", SECONDS)
    vm.ok("rm /run/extensions/*; systemd-sysext unmerge", SECONDS)

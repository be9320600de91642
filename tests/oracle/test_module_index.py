"""The index of kernel modules is read by real modprobe, and equals what real depmod writes."""

import os
import platform
import re
import shlex
from pathlib import Path

import pytest

from sysextlib.definition import KernelModules
from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import EditContext
from sysextlib.edit.module_index import index_file
from sysextlib.errors import EditError
from sysextlib.system.run import run
from sysextlib.tree import Tree, file_entry
from tests.builders.base import lay_out
from tests.builders.definition import sysext
from tests.builders.kmod import module
from tests.builders.needs import require_tool

pytestmark = [pytest.mark.oracle, pytest.mark.tool]
KERNEL = platform.release()
MODULES = f"usr/lib/modules/{KERNEL}"
INDEX = "usr/share/flatcar-demo/modules"
BASE = {
    "kernel/lib/crc32.ko": module("crc32", exports=["crc32_le"]),
    "kernel/lib/zlib.ko": module("zlib", depends=["crc32"], uses=["crc32_le"], exports=["inflate"]),
    "kernel/net/net-core.ko": module("net_core", exports=["net_a"]),
    "kernel/lib/soft.ko": module("soft"),
}
OURS = {
    "extra/spl.ko": module("spl", exports=["spl_a"], depends=["zlib"], uses=["inflate"]),
    "extra/zfs-main.ko": module(
        "zfs_main",
        depends=["spl", "net-core"],
        uses=["spl_a", "net_a"],
        aliases=["devname:zfs", "char-major-10-249", "pci:v000010DEd*sv*"],
        more=["softdep=pre: soft post: crc32 $(x)"],
    ),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tree]:
    """Return a folder with base and extension merged, and the extension's tree."""
    require_tool("depmod", "modprobe", "unshare")
    root = tmp_path_factory.mktemp("root")
    base = Tree(file_entry(f"{MODULES}/{path}", data) for path, data in BASE.items())
    lay_out(base, root)
    (root / "lib").symlink_to("usr/lib")
    run(["depmod", "--basedir", root, KERNEL])
    found = built(root)
    for entry in found:
        if entry.kind == "symlink":
            (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
            (root / entry.path).symlink_to(entry.target)
        elif entry.content is not None:
            (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
            (root / entry.path).write_bytes(entry.content.read())
    return root, found


def built(root: Path) -> Tree:
    tree = Tree(file_entry(f"{MODULES}/{path}", data) for path, data in OURS.items())

    def read(path: str) -> bytes | None:
        return (root / path).read_bytes() if (root / path).is_file() else None

    context = EditContext(kernel_suffix=KERNEL[-1:], epoch=0, read_base=read)
    return apply_edits(tree, sysext(kernel_modules=KernelModules.INDEX), context).tree


def modprobe(root: Path, *words: str) -> list[str]:
    """Return what modprobe would do where the extension is merged, its usr over the host's."""
    namespace = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        namespace += ["--user", "--map-root-user"]
    layers = f"lowerdir={root}/usr:/usr"
    mount = f"mount -t tmpfs tmpfs /run && mount -t overlay -o {layers} overlay /usr && "
    call = shlex.join(["modprobe", "--dry-run", "--verbose", *words])
    done = run([*namespace, "sh", "-c", mount + call])
    return [line.strip() for line in done.stdout.decode().splitlines()]


def names(lines: list[str]) -> list[str]:
    return [line.split()[-1].rpartition("/")[2] for line in lines]


def test_modprobe_with_the_index_loads_ours_and_what_they_need_of_the_base_in_order(roots):
    done = modprobe(roots[0], "--dirname", f"/{INDEX}", "--ignore-install", "zfs_main")
    # ours have an install line each, which prints itself instead of what it would do
    assert names(done) == ["crc32.ko", "zlib.ko", "spl", "net-core.ko", "zfs-main.ko"]
    paths = [line.split()[1] for line in done if line.startswith("insmod")]
    assert all(path.startswith(f"/{MODULES}/") for path in paths)


def test_a_module_that_needs_only_the_base_s_is_loaded_after_them(roots):
    done = modprobe(roots[0], "--dirname", f"/{INDEX}", "--ignore-install", "spl")
    assert names(done) == ["crc32.ko", "zlib.ko", "spl.ko"]


@pytest.mark.parametrize(
    "word", ["zfs_main", "zfs-main", "char-major-10-249", "pci:v000010DEd1sv2"]
)
def test_plain_modprobe_finds_ours_by_name_and_alias_without_an_index_of_theirs(roots, word):
    assert modprobe(roots[0], word) == [
        f"install /sbin/modprobe -qa soft; /sbin/modprobe --dirname=/{INDEX} --ignore-install"
        " $CMDLINE_OPTS zfs_main && { /sbin/modprobe -qa crc32; true; }"
    ]


def test_the_base_s_own_index_is_neither_hidden_nor_changed(roots):
    _, tree = roots
    assert not [e.path for e in tree if re.fullmatch(rf"{re.escape(MODULES)}/modules\..*", e.path)]


def test_the_index_holds_what_depmod_finds_over_both(roots, tmp_path):
    """depmod over base and extension together says the same of ours, but for absolute paths."""
    _, tree = roots
    folder = tmp_path / "both"
    both = {**BASE, **OURS}
    lay_out(Tree(file_entry(f"{MODULES}/{p}", data) for p, data in both.items()), folder)
    (folder / "lib").symlink_to("usr/lib")
    run(["depmod", "--basedir", folder, KERNEL])
    theirs = {}
    for line in (folder / MODULES / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        theirs[path] = set(rest.split())
    content = tree[f"{INDEX}/{MODULES}/modules.dep"].content
    assert content is not None
    ours = {}
    for line in content.read().decode().replace(f"/{MODULES}/", "").splitlines():
        path, _, rest = line.partition(":")
        ours[path] = set(rest.split())
    assert ours == {path: needs for path, needs in theirs.items() if path in ours}
    assert set(OURS) < set(ours)


def test_an_index_file_of_many_names_is_read_whole(tmp_path):
    require_tool("modprobe")
    folder = tmp_path / "lib/modules" / KERNEL
    folder.mkdir(parents=True)
    names = [f"{a}{b}" for a in ("a", "ab", "abc", "b", "zz_top", "x") for b in range(40)]
    lines = [(name, f"/m/{name}.ko:") for name in names]
    (folder / "modules.dep.bin").write_bytes(index_file(lines))
    for name in ("modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin"):
        (folder / name).write_bytes(index_file([]))
    (tmp_path / "none").mkdir()
    for name in names[::7]:
        argv = ["modprobe", "-S", KERNEL, "-d", tmp_path, "-C", tmp_path / "none", "-D", name]
        assert run(argv).stdout.decode().split() == ["insmod", f"/m/{name}.ko"]
    absent = run(["modprobe", "-S", KERNEL, "-d", tmp_path, "-C", tmp_path / "none", "-D", "a400"],
                 codes=(1,))  # fmt: skip
    assert b"not found" in absent.stderr


def test_a_module_that_needs_one_that_nobody_has_is_an_error():
    tree = Tree([file_entry(f"{MODULES}/extra/a.ko", module("a", depends=["nobody"]))])
    context = EditContext(kernel_suffix=KERNEL[-1:], epoch=0)
    with pytest.raises(EditError, match="needs nobody, which nobody has"):
        apply_edits(tree, sysext(kernel_modules=KernelModules.INDEX), context)


def test_what_is_no_module_is_an_error():
    tree = Tree([file_entry(f"{MODULES}/extra/a.ko", os.urandom(64))])
    context = EditContext(kernel_suffix=KERNEL[-1:], epoch=0)
    with pytest.raises(EditError, match="is no kernel module"):
        apply_edits(tree, sysext(kernel_modules=KernelModules.INDEX), context)

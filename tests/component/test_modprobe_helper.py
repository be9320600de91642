"""The helper for kernel modules, run with real depmod and modprobe in a namespace of its own."""

import os
import platform
from pathlib import Path

import pytest

from sysextlib.definition import KernelModules
from sysextlib.edit.apply import apply_edits
from sysextlib.edit.changes import EditContext
from sysextlib.edit.layout import lay_out
from sysextlib.system.run import Result, run
from sysextlib.tree import Tree, file_entry
from tests.builders.definition import sysext
from tests.builders.needs import require_tool

pytestmark = pytest.mark.tool
KERNEL = platform.release()
HELPER = "usr/libexec/_flatcar-demo_modprobe_helper"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extension with a module, laid out, beside an index of a base that knows none."""
    require_tool("as", "depmod", "modprobe", "unshare", "mountpoint")
    folder = tmp_path_factory.mktemp("kmod")
    folder.chmod(0o755)
    source = folder / "a.s"
    source.write_text('.section .modinfo, "a"\n.asciz "license=GPL"\n')
    run(["as", "-o", folder / "a.o", source])
    module = (folder / "a.o").read_bytes()
    tree = Tree([
        file_entry(f"usr/lib/modules/{KERNEL}/extra/sysext_demo.ko", module),
        file_entry(f"usr/lib/modules/{KERNEL}/modules.dep", b"wrong"),
    ])  # fmt: skip
    definition = sysext(kernel_modules=KernelModules.HELPER)
    context = EditContext(kernel_suffix=KERNEL[-1:], epoch=0)
    lay_out(apply_edits(tree, definition, context).tree, folder / "root")
    index = folder / "base/usr/lib/modules" / KERNEL
    index.mkdir(parents=True)
    for name in ("modules.dep", "modules.order", "modules.builtin"):
        (index / name).write_text("")
    run(["depmod", "--basedir", folder / "base/usr", KERNEL])
    return folder / "root"


def in_namespace(root: Path, script: str) -> Result:
    """Run a script where the extension is merged: its usr over the base's, read-only."""
    layers = f"lowerdir={root}/usr:{root.parent}/base/usr:/usr"
    words = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user"]
    setup = f"mount -t tmpfs tmpfs /run && mount -t overlay -o {layers} overlay /usr && "
    return run([*words, "sh", "-c", setup + script], codes=range(256))


def test_plain_modprobe_calls_the_helper_for_a_module_that_no_index_lists(root):
    result = in_namespace(root, "modprobe --dry-run --verbose sysext_demo")
    assert result.stdout.decode().strip() == f"install /{HELPER} sysext_demo"


def test_the_helper_finds_the_module_by_an_index_of_its_own(root):
    result = in_namespace(root, f"/{HELPER} --dry-run --verbose sysext_demo")
    assert result.stdout.decode().strip().endswith(f"{KERNEL}/extra/sysext_demo.ko"), result.stderr
    assert result.code == 0


def test_the_helpers_index_is_seen_by_nobody_else(root):
    script = (
        f"/{HELPER} --dry-run sysext_demo; cat /usr/lib/modules/{KERNEL}/modules.dep\n"
        "ls /run/sysext-modprobe"
    )
    result = in_namespace(root, script)
    assert (result.code, result.stdout) == (0, b"")


def test_the_helper_passes_on_failure(root):
    assert in_namespace(root, f"/{HELPER} --dry-run no_such_module").code != 0


def test_the_helper_is_a_sound_shell_script(root):
    require_tool("shellcheck")
    run(["shellcheck", root / HELPER])

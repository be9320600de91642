"""find, sort and df on a mounted image print what the reports say; ls rounds as we do."""

import uuid

import pytest

from sysextlib.definition import Compression
from sysextlib.errors import SysextError
from sysextlib.image.erofs import ErofsOptions, write_erofs
from sysextlib.report.contents import ContentsOptions, contents_text, contents_wtd_text
from sysextlib.report.disk_usage import disk_usage_text, human
from sysextlib.system.run import run
from sysextlib.tree import Content, Entry, Kind, Tree, directory_entry, file_entry, link_entry
from tests.builders.needs import require_root, require_tool
from tests.builders.tools import image_tools

pytestmark = [pytest.mark.oracle, pytest.mark.tool]
EPOCH = 1_700_000_000
# As upstream's report functions call them, in the C locale.
FIND = r"""find -printf '%M %2n %-7u %-7g %7s %TY-%Tm-%Td %TH:%TM ./%P -> %l\n' |
    LC_ALL=C sort --key=8 | sed -e 's/ -> $//'"""
FIND_WTD = r"""find -printf '%M %D %i %n %s ./%P\n' | LC_ALL=C sort --key=6"""
DF = r"""df --human-readable --output='file,size,used,avail,pcent,fstype' ./ |
    sed -e 's#^\.\(/[^ ]*\)#\1 #' -e 's/^-  /SUM/'"""


def odd_tree():
    """Return a tree with every kind of entry, odd names, and directories of many blocks."""
    entries = [
        directory_entry("usr", mtime=EPOCH),
        directory_entry("usr/empty", mode=0o1777, mtime=1),
        directory_entry("usr/lib", mode=0o2755, mtime=EPOCH - 60),
        Entry(path="usr/suid", kind=Kind.FILE, mode=0o6755, content=Content.of(b"x" * 12345678)),
        Entry(path="usr/none", kind=Kind.FILE, mode=0o7000, content=Content.of(b"y"), uid=4242),
        Entry(path="usr/fifo", kind=Kind.FIFO, mode=0o600, gid=31337),
        Entry(path="usr/null", kind=Kind.CHARDEV, mode=0o666, device=(1, 3)),
        Entry(path="usr/loop", kind=Kind.BLOCKDEV, mode=0o660, device=(7, 0)),
        link_entry("usr/dangling", "../no/such -> thing", mtime=EPOCH),
        link_entry("usr/long", "t" * 300, mtime=EPOCH),
    ]
    shared = Content.of(b"shared")
    entries += [
        Entry(path=f"usr/lib/link {n}", kind=Kind.FILE, mode=0o644, content=shared, hardlink="one")
        for n in range(12)
    ]
    names = ["a", "a b", "a-b", "a ->", "A", "_", "-dash", "#hash", ".dot", "...", "ü", "\u20ac"]
    entries += [file_entry(f"usr/names/{name}", name.encode(), mtime=EPOCH) for name in names]
    entries += [file_entry(f"usr/many/{n:03}-{'n' * (n % 97)}", b"", mtime=n) for n in range(700)]
    entries += [directory_entry(f"usr/dirs/{n}", mtime=n) for n in range(150)]
    return Tree(entries)


def write_image(folder, tree, compression=Compression.LZ4HC):
    image = folder / "image.erofs"
    options = ErofsOptions(uuid=uuid.UUID(int=1), epoch=EPOCH, compression=compression)
    tools = image_tools("mkfs.erofs")
    (folder / "scratch").mkdir()
    write_erofs(tree, image, options, tools=tools, scratch=folder / "scratch")
    return image


class Mounted:
    """An image, mounted by the kernel for the length of a block."""

    def __init__(self, image):
        self.image, self.point = image, image.with_suffix(".mounted")

    def __enter__(self):
        self.point.mkdir()
        try:
            run(["mount", "-t", "erofs", "-o", "ro,loop", self.image, self.point])
        except SysextError as error:
            if "unknown filesystem type" in str(error):
                pytest.skip("this kernel has no erofs")
            raise
        return self

    def __exit__(self, *_):
        run(["umount", self.point])

    def says(self, pipeline):
        return run(["bash", "-o", "pipefail", "-c", pipeline], cwd=self.point).stdout.decode()


@pytest.mark.root
def test_find_on_the_mounted_image_prints_the_same_contents(tmp_path):
    require_root()
    require_tool("find", "bash", "mount")
    tree = odd_tree()
    options = ContentsOptions(root_mtime=EPOCH, users={0: "root"}, groups={0: "root"})
    with Mounted(write_image(tmp_path, tree)) as mounted:
        assert contents_text(tree, options).splitlines() == mounted.says(FIND).splitlines()


@pytest.mark.root
def test_find_prints_the_same_technical_details_but_for_device_and_inode_numbers(tmp_path):
    require_root()
    require_tool("find", "bash", "mount")
    tree = odd_tree()
    with Mounted(write_image(tmp_path, tree)) as mounted:
        theirs = [line.split(" ", 5) for line in mounted.says(FIND_WTD).splitlines()]
    ours = [line.split(" ", 5) for line in contents_wtd_text(tree).splitlines()]
    assert [(f[0], *f[3:]) for f in ours] == [(f[0], *f[3:]) for f in theirs]
    # Which paths share an inode is the same, whatever its number.
    assert len({(a[2], b[2]) for a, b in zip(ours, theirs, strict=True)}) == len(
        {line[2] for line in theirs}
    )


@pytest.mark.root
@pytest.mark.parametrize("size", [1, 900_000, 12_000_000])
def test_df_of_the_mounted_image_prints_the_same_usage(tmp_path, size):
    require_root()
    require_tool("df", "bash", "mount")
    tree = Tree([file_entry("usr/f", b"z" * size)])
    image = write_image(tmp_path, tree, Compression.NONE)
    with Mounted(image) as mounted:
        assert disk_usage_text(image.stat().st_size) == mounted.says(DF)


def test_ls_rounds_sizes_the_same(tmp_path):
    require_tool("ls")
    sizes = {0, 1, 9}
    for power in range(1, 5):
        unit = 1024**power
        for tenths in (9.9, 9.95, 9.949, 10, 10.01, 99.5, 999.1, 1022.9, 1023, 1023.01, 1023.9):
            sizes |= {int(unit * tenths) + near for near in (-1, 0, 1)}
        sizes |= {unit - 1, unit, unit + 1, unit + unit // 10, unit + unit // 10 + 1}
    sizes = {size for size in sizes if size < 8 << 40}
    for size in sizes:
        with (tmp_path / f"{size}").open("wb") as stream:
            stream.truncate(size)
    listing = run(["ls", "-lh", tmp_path]).stdout.decode().splitlines()[1:]
    theirs = {int(line.split()[-1]): line.split()[4] for line in listing}
    assert {size: human(size) for size in sizes} == theirs

"""What emerge says: how far it is, and which of its lines matter when it failed."""

import pytest

from sysextlib.errors import BaseError, BoardError, PackageError, ResolveError, ToolError
from sysextlib.install.emerge import EmergeCall, EmergeLog
from sysextlib.progress import Silent


class Bar(Silent):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def advance(self, done: int, total: int) -> None:
        self.seen.append((done, total))


def said(*lines: str) -> EmergeLog:
    log = EmergeLog(Silent(), lambda _: None)
    log.feed("".join(f"{line}\n" for line in lines).encode())
    return log


def test_installing_moves_the_bar_and_tells_the_order_however_the_bytes_are_cut():
    bar, kept = Bar(), bytearray()
    log = EmergeLog(bar, kept.extend)
    text = (
        b">>> Jobs: 0 of 2 complete\n"
        b">>> Installing (1 of 2) a/b-1::demo to /x/root/\n"
        b">>> Installing (2 of 2) a/c-2-r1::demo\n"
    )
    for at in range(len(text)):
        log.feed(text[at : at + 1])
    assert bar.seen == [(1, 2), (2, 2)]
    assert log.order == {"a/b-1": 1, "a/c-2-r1": 2}
    assert bytes(kept) == text


@pytest.mark.parametrize(
    ("lines", "error", "shown"),
    [
        (["@no-board /build/x"], BoardError, "/build/x"),
        (["@no-base /b.squashfs"], BaseError, "/b.squashfs"),
        (["mount: denied", "@no-mount overlay"], ToolError, "mount: denied"),
        (["dd: No space left on device", "@emerge-failed 1"], ToolError, "dd: No space"),
        (
            ["noise", 'emerge: there are no binary packages to satisfy "a/b".', "@emerge-failed 1"],
            ResolveError,
            'satisfy "a/b"',
        ),
        (["!!! Digest verification failed:", "!!! /p/x.xpak"], PackageError, "/p/x.xpak"),
        (
            ["!!! CONFIG_PROTECT is empty for '/'", "!!! note", " * ERROR: a/b-1 failed (postinst)",
             " *   the message", " * ", " * Call stack:", " *   ebuild.sh, line 1"],
            ToolError,
            "ERROR: a/b-1 failed (postinst)\n *   the message",
        ),
        (["nothing that is known"], ToolError, "nothing that is known"),
    ],
)  # fmt: skip
def test_the_message_that_matters_is_shown(lines, error, shown):
    failure = said(*lines).failure()
    assert type(failure) is error
    assert shown in str(failure.facts) or shown in "\n".join(failure.facts.values())
    assert "Call stack" not in str(failure)
    assert "CONFIG_PROTECT" not in str(failure)


def test_a_long_log_is_not_shown():
    failure = said(*(f"line {number}" for number in range(100_000))).failure()
    assert len(str(failure).splitlines()) < 20
    assert "line 99999" in str(failure)


def test_emerge_is_told_everything_and_nothing_leaks_in():
    call = EmergeCall(
        board="amd64-usr",
        atoms=("sys-fs/zfs", "a/b"),
        root_name="flatcar-zfs-extra-sysext-rootfs",
        use="a -b",
        base="/base",
        base_digest="d",
        bases="/bases",
        pkginfo=("/one", "/two"),
        packages="/packages",
        scratch="/scratch",
        jobs=3,
    )
    argv = call.argv()
    assert argv[-2:] == ("sys-fs/zfs", "a/b")
    assert {"--usepkgonly", "--binpkg-respect-use=y", "--oneshot", "--jobs=3"} <= set(argv)
    assert not any("getbinpkg" in word for word in argv[argv.index("emerge.sh") :])
    environment = call.environment()
    assert environment["ROOT_NAME"] == "flatcar-zfs-extra-sysext-rootfs"
    assert environment["PKGINFO"] == "/one\n/two"
    assert environment["MODE"] == "merge"
    assert int(environment["INPUT_SIZE"]) == len(call.feed())

"""--build_missing: packages from source, and the signatures of kernel modules."""

import shutil
from pathlib import Path

import pytest

from ci.demo_board.debs import read_lock
from sysextlib.system.cache import cache_root
from tests.builders.demo import demo_board
from tests.builders.keys import certificate, private_key, write_pair
from tests.builders.sdk import HEAD, HELLO, build_packages, run, run_inside, sdk_world
from tests.builders.world import World

pytestmark = [pytest.mark.tool, pytest.mark.root, pytest.mark.slow]

MODULE = ("signed", "sys-kernel/kmod-signed")
ALIASES = ("linux-headers-cloud-amd64", "linux-headers-common", "linux-kbuild")
KERNEL_DEBS = """
src_install() { insinto /usr/share/kernel-debs; doins FILES; }
"""


@pytest.fixture(scope="module")
def kernel_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a binhost with what modules of the demo board's kernel are compiled with."""
    debs = cache_root() / "demo-board/debs"
    files = [
        debs / deb.file_name
        for deb in read_lock(demo_board().board / "debs.lock")
        if deb.alias in ALIASES
    ]
    text = HEAD.replace('LICENSE="Test"', 'LICENSE="Test"\nRESTRICT="strip"')
    text += KERNEL_DEBS.replace("FILES", " ".join(map(str, files)))
    folder = tmp_path_factory.mktemp("kernel") / "p"
    return build_packages(folder, {"sys-kernel/kernel-debs-1": text})


@pytest.fixture
def kernel_world(kernel_packages: Path, tmp_path: Path) -> World:
    """Return a world with the demo board's base, whose kernel is real, and keys of modules."""
    world = sdk_world(tmp_path / "world", kernel_packages)
    shutil.copyfile(demo_board().image, world.base)
    for number, name in enumerate(["modules", "others"]):
        key = private_key(number=number)
        write_pair(tmp_path / "world" / name, key, certificate(key, name=f"{name} key"))
    return world


def signing(world: World) -> dict[str, str]:
    """Return the environment that has modules signed."""
    folder = world.folder / "modules"
    return {
        "MODULES_SIGN_KEY": str(folder / "sysexts.key"),
        "MODULES_SIGN_CERT": str(folder / "sysexts.crt"),
    }


@pytest.mark.sdk_more
def test_a_package_that_no_binhost_has_is_built_from_source(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    words = ("made", "app-misc/from-source")
    without = run(world, daemon, *words, output=tmp_path / "out")
    assert without.returncode == 11, without.stderr
    done = run(world, daemon, *words, "--build_missing", output=tmp_path / "out", USE="loud")
    assert done.returncode == 0, done.stderr
    assert "usr/bin/made" in (tmp_path / "out/made_contents.txt").read_text()
    (built,) = world.binhost.glob("app-misc/from-source/*")
    again = run(world, daemon, *words, "--build_missing", output=tmp_path / "again", USE="loud")
    assert again.returncode == 0, again.stderr
    assert list(world.binhost.glob("app-misc/from-source/*")) == [built]
    native = world.run(*words, output=tmp_path / "native", env={"USE": "loud"})
    assert native.returncode == 0, native.stderr
    images = [(tmp_path / name / "made.raw").read_bytes() for name in ("out", "again", "native")]
    assert images[0] == images[1] == images[2]
    # another build of the same version is there, but not with these flags
    quiet = run(world, daemon, *words, "--build_missing", output=tmp_path / "quiet", USE="-loud")
    assert quiet.returncode == 0, quiet.stderr
    assert len(list(world.binhost.glob("app-misc/from-source/*"))) == 2


def test_building_missing_packages_natively_is_refused(world, tmp_path):
    done = world.run(*HELLO, "--build_missing", output=tmp_path / "out")
    assert done.returncode == 2
    assert "add --installer=sdk" in done.stderr


@pytest.mark.sdk_more
@pytest.mark.parametrize("where", ["new container", "running container", "here"])
def test_a_module_is_signed_wherever_emerge_runs(daemon, kernel_world, tmp_path, where):
    output = tmp_path / "out"
    output.mkdir()
    words = (*MODULE, "--build_missing")
    env = signing(kernel_world)
    if where == "here":
        done = run_inside(kernel_world, daemon, *words, output=output,
                          writable=[output, kernel_world.folder], **env)  # fmt: skip
    elif where == "new container":
        done = run(kernel_world, daemon, *words, output=output, **env)
    else:
        with daemon.idle("sdk", sees=kernel_world.folder, writable=True):
            words = (*words, "--sdk_container=sdk")
            done = run(kernel_world, daemon, *words, output=output, **env)
    assert done.returncode == 0, done.stderr
    contents = (output / "signed_contents.txt").read_text()
    assert f"usr/lib/modules/{demo_board().kernel}/extra/kmod_signed.ko" in contents
    # the same module, merged natively, has a signature that another key did not make
    for name, code in (("modules", 0), ("others", 14)):
        key = kernel_world.folder / name / "sysexts.crt"
        again = kernel_world.run(*MODULE, f"--module_key={key}", output=tmp_path / name)
        assert again.returncode == code, again.stderr
    assert "its signature is not that of the key" in again.stderr


@pytest.mark.sdk_more
def test_a_module_without_the_signature_that_was_asked_for_is_refused(
    daemon, kernel_world, tmp_path
):
    words = (*MODULE, "--build_missing")
    env = {**signing(kernel_world), "USE": "-modules-sign"}
    done = run(kernel_world, daemon, *words, output=tmp_path / "out", **env)
    assert done.returncode == 14, done.stderr
    assert "kmod_signed.ko: it is not signed" in done.stderr
    assert not (tmp_path / "out/signed.raw").exists()


def test_a_key_that_cannot_sign_is_refused_before_anything_is_started(daemon, world, tmp_path):
    pair, other = tmp_path / "pair", tmp_path / "other"
    for number, folder in enumerate((pair, other)):
        key = private_key(number=number)
        write_pair(folder, key, certificate(key))
    good, crt = str(pair / "sysexts.key"), str(pair / "sysexts.crt")
    wrong = str(other / "sysexts.crt")
    for env, flag, code, words in (
        ({"MODULES_SIGN_KEY": good}, "", 2, "MODULES_SIGN_KEY is set alone"),
        ({"MODULES_SIGN_KEY": good, "MODULES_SIGN_CERT": wrong}, "", 15, "do not belong together"),
        ({"MODULES_SIGN_KEY": "pkcs11:x", "MODULES_SIGN_CERT": crt}, "", 15, "no pkcs11:x"),
        ({"MODULES_SIGN_KEY": good, "MODULES_SIGN_CERT": crt}, f"--module_key={wrong}", 2,
         "would be signed by another key"),
    ):  # fmt: skip
        flags = [flag] if flag else []
        done = run(world, daemon, *HELLO, "--build_missing", *flags, output=tmp_path / "o", **env)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert "Start" not in done.stderr


@pytest.mark.sdk_more
def test_a_source_that_cannot_be_compiled_ends_in_one_error_with_its_log(
    daemon, packages, tmp_path
):
    world = sdk_world(tmp_path / "world", packages)
    done = run(world, daemon, "made", "app-misc/from-source", "--build_missing",
               output=tmp_path / "out", USE="broken")  # fmt: skip
    assert done.returncode == 16, done.stderr
    assert "cannot compile" in done.stderr
    assert f"whole log: {tmp_path}/out/made_emerge.log" in done.stderr
    assert "cannot compile" in (tmp_path / "out/made_emerge.log").read_text()


def test_a_container_that_sees_the_packages_only_for_reading_is_refused(daemon, packages, tmp_path):
    world = sdk_world(tmp_path / "world", packages)
    with daemon.idle("read-only-sdk", sees=world.folder):
        done = run(world, daemon, "made", "app-misc/from-source", "--build_missing",
                   "--sdk_container=read-only-sdk", output=tmp_path / "out")  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "may not write where packages are built to" in done.stderr

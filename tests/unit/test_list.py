"""What ``list`` shows of the catalogue."""

import os
import sys

import pytest

from sysextlib.cli import find_base
from sysextlib.cli.call import parse
from sysextlib.cli.show import catalogue

NVIDIA = "nvidia-drivers-535-open"


def shown(capsys, *words: str) -> list[str]:
    assert catalogue(parse(["list", *words])) == 0
    return capsys.readouterr().out.splitlines()


def test_each_extension_has_a_line_with_kind_image_packages_and_use(capsys):
    lines = shown(capsys, "--board=amd64-usr")
    (row,) = [line.split(maxsplit=4) for line in lines if line.startswith(f"{NVIDIA} ")]
    assert row[:4] == [NVIDIA, "extra", "-", f"flatcar-{NVIDIA}"]
    assert row[4] == 'x11-drivers/nvidia-drivers:0/535 USE="kernel-open persistenced"'
    assert lines[-1] == "34 extensions for amd64-usr (2 base, 11 extra, 21 oem), 0 of them built"
    assert shown(capsys, "--board=arm64-usr")[-1].startswith("18 extensions for arm64-usr")


def test_a_built_extension_shows_its_size(capsys, tmp_path):
    (tmp_path / "oem-qemu.raw").write_bytes(bytes(65536))
    lines = shown(capsys, "--board=amd64-usr", f"--image_builddir={tmp_path}")
    (row,) = [line.split() for line in lines if line.startswith("oem-qemu ")]
    assert row[:3] == ["oem-qemu", "oem", "64K"]
    assert lines[-1].endswith("1 of them built")


def test_what_was_built_on_a_release_shows_its_size(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(find_base, "IMAGES", tmp_path)
    for release, age in (("4593.1.0", 100), ("4593.2.0", 0)):
        folder = tmp_path / "amd64-usr" / release / "sysext"
        folder.mkdir(parents=True)
        (folder / "oem-qemu.raw").write_bytes(bytes(65536 - 100 * age))
        os.utime(folder, (1_700_000_000 - age, 1_700_000_000 - age))
    lines = shown(capsys, "--board=amd64-usr")
    (row,) = [line.split() for line in lines if line.startswith("oem-qemu ")]
    assert row[2] == "64K"


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_no_line_that_is_too_long(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = shown(capsys, "--board=amd64-usr")
    assert max(map(len, lines)) <= width
    assert ("IMAGE" in lines[0]) == (width == 120)
    assert any(line.startswith("docker ") for line in lines)

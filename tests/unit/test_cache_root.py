from pathlib import Path

import pytest

from sysextlib.errors import UsageError
from sysextlib.system.cache import cache_root


@pytest.mark.parametrize(
    ("named", "xdg", "root"),
    [
        ("/named", "/xdg", "/named"),
        ("", "/xdg", "/xdg/build-sysext"),
        ("", "", "/home/me/.cache/build-sysext"),
        ("", "relative", "/home/me/.cache/build-sysext"),
        ("here", "", str(Path("here").absolute())),
    ],
)
def test_the_cache_lies_at_an_absolute_path_that_the_environment_names(
    monkeypatch, named, xdg, root
):
    monkeypatch.setenv("BUILD_SYSEXT_CACHE", named)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_root() == Path(root)


def test_a_user_without_a_home_is_told_how_to_name_a_cache(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("BUILD_SYSEXT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)
    with pytest.raises(UsageError) as refused:
        cache_root()
    assert "BUILD_SYSEXT_CACHE" in refused.value.hint

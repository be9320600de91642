"""Portage's own configuration decides over made-up profiles, and ours must decide the same."""

import json
import random
import sys

import pytest

from sysextlib.ebuild.metadata import Metadata
from sysextlib.ebuild.profile import load_profile, package_of
from sysextlib.ebuild.repository import open_repositories
from sysextlib.gentoo.cpv import Cpv
from sysextlib.system.run import run
from tests.builders.ebuild_repo import write_repository

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

ASK = """
import json, sys
import portage
root, profile, packages = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
config = portage.config(config_root=root, config_profile_path=profile, target_root="/", env={})
answers = {}
for cpv, metadata in packages.items():
    package = portage.versions._pkg_str(cpv, metadata=metadata, settings=config, repo="test")
    config.setcpv(package, mydb=metadata)
    effective = config["IUSE_EFFECTIVE"].split() if metadata["EAPI"] >= "5" else []
    answers[cpv] = {
        "use": sorted(set(config["PORTAGE_USE"].split())),
        "effective": sorted(effective),
        "masked": config._getMaskAtom(package, metadata) is not None,
        "accepted": not config._getMissingKeywords(package, metadata),
        "stable": package.stable,
    }
provided = sorted(str(one) for found in config.pprovideddict.values() for one in found)
print(json.dumps({"packages": answers, "provided": provided}))
"""
FLAGS = ("foo", "bar", "baz", "lang_de", "lang_fr", "card_x", "card_y", "doc", "amd64")
NAMES = ("a/p", "a/q", "b/r")
VERSIONS = ("1", "1.5", "2", "2-r1", "3")
KEYWORDS = ("amd64", "~amd64", "arm64", "~arm64", "-amd64", "")
DEFAULTS = """
ARCH="amd64"
ACCEPT_KEYWORDS="amd64"
USE="doc"
USE_EXPAND="LANG CARD"
USE_EXPAND_UNPREFIXED="ARCH"
USE_EXPAND_IMPLICIT="ARCH LANG"
USE_EXPAND_VALUES_ARCH="amd64 arm64"
USE_EXPAND_VALUES_LANG="de fr"
IUSE_IMPLICIT="prefix"
LANG="de"
CARD="x"
"""
LISTS = (
    "package.use", "package.use.mask", "package.use.force", "package.use.stable.mask",
    "package.use.stable.force",
)  # fmt: skip


def _atom(chance):
    name = chance.choice(NAMES)
    version = chance.choice(VERSIONS)
    operator = chance.choice(("", "=", "~", "<", "<=", ">", ">=", "=*", ":0", ":1"))
    if operator == "=*":
        return f"={name}-{version.partition('-')[0]}*"
    if operator.startswith(":"):
        return f"{name}{operator}"
    if operator == "~":
        version = version.partition("-")[0]
    return f"{operator}{name}-{version}" if operator else name


def _flags(chance):
    chosen = chance.sample(FLAGS, k=chance.randint(1, 3))
    return [chance.choice(("", "", "-")) + flag for flag in chosen]


def _folder(chance):
    """Return the files of one folder of a profile."""
    files = {"eapi": "8\n"}
    for name in LISTS:
        lines = [f"{_atom(chance)} {' '.join(_flags(chance))}" for _ in range(chance.randint(0, 4))]
        files[name] = "".join(f"{line}\n" for line in lines)
    for name in ("use.mask", "use.force", "use.stable.mask", "use.stable.force"):
        files[name] = "".join(f"{flag}\n" for flag in _flags(chance) if chance.random() < 0.4)
    files["package.mask"] = f"{_atom(chance)}\n" if chance.random() < 0.6 else ""
    files["package.unmask"] = f"{_atom(chance)}\n" if chance.random() < 0.2 else ""
    words = ("", "~amd64", "**", "-amd64", "~arm64", "*", "~*")
    accepted = [f"{_atom(chance)} {chance.choice(words)}\n" for _ in range(chance.randint(0, 2))]
    files["package.accept_keywords"] = "".join(accepted)
    files["make.defaults"] = chance.choice(
        ('USE="foo -doc"\n', 'CARD="-x y"\nUSE="bar"\n', 'USE="-* baz"\n', 'LANG="fr"\n', "")
    )
    return files


def _metadata(chance):
    iuse = [chance.choice(("", "", "+", "-")) + flag for flag in chance.sample(FLAGS[:-1], k=4)]
    values = {
        "EAPI": chance.choice(("4", "5", "7", "8")),
        "SLOT": chance.choice(("0", "1", "0/2")),
        "IUSE": " ".join(iuse),
        "KEYWORDS": " ".join(chance.sample(KEYWORDS, k=2)).strip(),
    }
    return {key: value for key, value in values.items() if value}


@pytest.mark.parametrize("seed", range(8))
def test_made_up_profiles_decide_as_portage_does(tmp_path, seed):
    chance = random.Random(seed)
    files = {"profiles/base/make.defaults": DEFAULTS, "profiles/base/eapi": "6\n"}
    for name, parent in (("one", "../base"), ("two", "../one"), ("three", "../two")):
        here = _folder(chance)
        files |= {f"profiles/{name}/{file}": text for file, text in here.items()}
        files[f"profiles/{name}/parent"] = f"{parent}\n"
    files["profiles/base/package.provided"] = "a/p-7\nb/r-9\n"
    files["profiles/two/package.provided"] = "c/s-1\n"  # no longer allowed in its EAPI
    repo = write_repository(tmp_path / "repo", files)
    (repo / "metadata/layout.conf").write_text("masters =\nprofile-formats = portage-2\n")
    profile = repo / "profiles/three"
    packages = {f"{name}-{version}": _metadata(chance) for name in NAMES for version in VERSIONS}
    theirs = _ask_portage(tmp_path, repo, profile, packages)
    ours = load_profile(profile, open_repositories([repo]))
    assert sorted(map(str, ours.provided)) == theirs["provided"]
    for text, values in packages.items():
        package = package_of(Cpv.parse(text), Metadata(values, (), ""))
        found = {
            "use": sorted(ours.use(package)),
            "effective": sorted(ours.iuse_effective(package)) if values["EAPI"] >= "5" else [],
            "masked": ours.mask_of(package) is not None,
            "accepted": ours.accepts(package),
            "stable": ours.is_stable(package),
        }
        if values["EAPI"] < "5":
            # Portage counts every forced flag as known then, PMS only those of IUSE.
            names = {word.lstrip("+-") for word in values["IUSE"].split()}
            for answer in (found, theirs["packages"][text]):
                answer["use"] = [flag for flag in answer["use"] if flag in names]
        assert (text, values, found) == (text, values, theirs["packages"][text])


def _ask_portage(folder, repo, profile, packages):
    config = folder / "conf/etc/portage"
    config.mkdir(parents=True)
    (config / "make.conf").write_text("")
    (config / "make.profile").symlink_to(profile)
    conf = f"[DEFAULT]\nmain-repo = test\n[test]\nlocation = {repo}\nauto-sync = no\n"
    (config / "repos.conf").write_text(conf)
    keys = ("DEPEND", "RDEPEND", "LICENSE", "RESTRICT", "PROPERTIES", "DEFINED_PHASES", "INHERITED")
    whole = {
        cpv: {**dict.fromkeys((*keys, "IUSE", "KEYWORDS"), ""), "repository": "test", **values}
        for cpv, values in packages.items()
    }
    (folder / "packages").write_text(json.dumps(whole))
    argv = [sys.executable, "-c", ASK, f"{folder / 'conf'}/", profile, folder / "packages"]
    return json.loads(run(argv, timeout=120).stdout)

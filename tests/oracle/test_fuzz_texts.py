"""Damaged values, atoms, cache entries and profiles: a moment of what ci/fuzz-ebuilds does."""

import random

import pytest

from ci.fuzz.texts import Texts
from sysextlib.ebuild.repository import open_repositories
from tests.builders.ebuild_repo import evaluate, write_repository

pytestmark = pytest.mark.oracle

EBUILD = """
DESCRIPTION="text"
IUSE="+a b"
KEYWORDS="amd64 ~arm64"
SLOT="0/1"
LICENSE="|| ( GPL-2 MIT )"
REQUIRED_USE="^^ ( a b )"
RESTRICT="!a? ( test )"
SRC_URI="https://h/x.tar.gz -> y.tgz b? ( mirror://gnu/z.tgz )"
RDEPEND=">=x/a-1:0=[a,b(+)?] || ( x/b:2/3 =x/c-1* ) !b? ( !!<x/d-2_rc1-r3 )"
DEPEND="${RDEPEND} a? ( ~x/e-1.2b )"
"""
FILES = {
    "profiles/p/make.defaults": 'USE="a -b"\nUSE_EXPAND="PY"\nPY="3 4"\nARCH="amd64"\n',
    "profiles/p/package.use": "x/a b -a PY: 3\n",
    "profiles/p/package.mask": ">=x/a-1:0\n-x/b\n",
    "profiles/p/parent": "../q\n",
    "profiles/q/make.defaults": 'ACCEPT_KEYWORDS="${ARCH} ~arm64"\n',
    "profiles/q/use.mask": "b\n-a\n",
}


@pytest.mark.parametrize("kind", ["value", "atom", "entry", "profile"])
def test_damaged_texts_are_refused_or_read_as_portage_reads_them(tmp_path, kind):
    repositories = open_repositories([write_repository(tmp_path / "r", FILES)])
    known = [evaluate(EBUILD), evaluate(EBUILD, eapi="5")]
    texts = Texts(random.Random(1), known, repositories, tmp_path / "work")
    for _ in range(150):
        fault = getattr(texts, kind)()
        assert not fault, texts.shown
    assert texts.read > 5

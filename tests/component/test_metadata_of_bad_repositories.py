"""Every kind of bad ebuild is named, the others go on, and the exit code tells."""

import sys
from pathlib import Path

from sysextlib.errors import EbuildError
from sysextlib.system.run import run
from tests.builders.ebuild_repo import write_repository

ROOT = Path(__file__).parents[2]
HEAD = "EAPI=8\nDESCRIPTION=d\nSLOT=0\n"
BAD = {
    "trunc": ("if [[ a ]]; th", "the script ends inside a command"),
    "quote": ('X="abc\n', "unterminated double quote"),
    "heredoc": ("read X <<EOF\nabc\n", "here-document without its end 'EOF'"),
    "func": ("f() {\n:\n", "unterminated function or group"),
    "noecl": ("inherit godo\n", "there is no godo.eclass"),
    "cycle": ("inherit x\n", "x.eclass inherits itself without end"),
    "twoeapi": ("EAPI=7\n", "it sets EAPI to '7', but its first line says 8"),
    "slow": ("while :; do :; done\n", "it takes more steps than any real ebuild"),
}
TEXTS = {name: HEAD + text for name, (text, _) in BAD.items()}
TEXTS |= {"uneapi": "EAPI=42\n", "good": HEAD, "binary": "EAPI=8\n\0\1\n", "cached": HEAD}
BRIEFS = {name: brief for name, (_, brief) in BAD.items()}
BRIEFS |= {
    "uneapi": "unknown EAPI '42'", "binary": "a NUL byte", "cached": "cannot be read",
    "link": "cannot be read", "folder": "cannot be read",
}  # fmt: skip


def call(*words):
    argv = [sys.executable, ROOT / "build_sysext.py", "metadata", *words]
    done = run(argv, codes=range(256), timeout=120)
    return done.code, done.stdout.decode(), done.stderr.decode()


def test_bad_ebuilds_are_named_and_the_others_are_written(tmp_path):
    files = {f"a/{name}/{name}-1.ebuild": text for name, text in TEXTS.items()}
    files |= {"eclass/x.eclass": "inherit y\n", "eclass/y.eclass": "inherit x\n"}
    repo = write_repository(tmp_path / "repo", {**files, "a/good/wrong-1.ebuild": HEAD})
    (repo / "a/link").mkdir()
    (repo / "a/link/link-1.ebuild").symlink_to("nowhere")
    (repo / "a/folder/folder-1.ebuild").mkdir(parents=True)
    (repo / "metadata/md5-cache/a/cached-1").mkdir(parents=True)  # an entry that is no file
    code, out, err = call(repo)
    assert code == EbuildError.exit_code
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    for name, brief in BRIEFS.items():
        (line,) = [line for line in lines if line.startswith(f"error: a/{name}-1::test: ")]
        assert brief in line
    assert any("wrong-1.ebuild lies in the folder of good" in line for line in lines)
    assert out.splitlines()[-1].endswith(f"1 written, 0 removed, {len(lines)} ebuilds refused")
    assert len(lines) == len(BRIEFS) + 1
    assert (repo / "metadata/md5-cache/a/good-1").is_file()
    assert "Traceback" not in err


def test_a_missing_repository_and_a_missing_master_are_named(tmp_path):
    code, _, err = call(tmp_path)
    assert (code, "is no ebuild repository" in err) == (EbuildError.exit_code, True)
    repo = write_repository(tmp_path / "repo", {}, masters="gone")
    code, _, err = call(repo)
    assert (code, "builds upon gone, which is missing" in err) == (EbuildError.exit_code, True)

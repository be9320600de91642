"""The xattr that setcap(8) writes is the one that we write."""

import os
import random

import pytest

from sysextlib.install.capabilities import NAMES, XATTR, capability_xattr
from sysextlib.system.run import run
from tests.builders.needs import require_root, require_tool

pytestmark = [pytest.mark.oracle, pytest.mark.root, pytest.mark.tool]

TEXTS = [
    "cap_net_raw=ep", "cap_net_raw+ep", "cap_net_raw,cap_bpf=eip", "=ep", "all=ep", "cap_net_raw=",
    "=", "+ep", "cap_chown=p cap_kill+e", "cap_chown=p cap_kill=i", "cap_bpf=p all+e",
    "CAP_NET_RAW=ep", "CAP_NET_RAW=EP", "cap_net_raw=ep-e", "cap_net_raw", "cap_kill+", "cap_kill-",
    "net_raw=ep", "12=ep", "all-e", "cap_kill=+ep", "cap_kill=p+i", "cap_kill=p=i", "cap_kill,=ep",
    "cap_kill,cap_kill=ep", "cap_kill=pp", "cap_kill=ep,cap_chown=ep", "all,cap_kill=ep", "=e",
    "=p cap_kill-p", "cap_nonsense=ep",
]  # fmt: skip


def random_texts(count):
    rng = random.Random(3)
    for _ in range(count):
        yield " ".join(
            ",".join(rng.sample(NAMES, rng.randint(0, 3)))
            + "".join(
                rng.choice("+-==") + "".join(rng.sample("eip", rng.randint(0, 3)))
                for _ in range(rng.randint(1, 2))
            )
            for _ in range(rng.randint(1, 3))
        )


def test_setcap_writes_and_refuses_the_same(tmp_path):
    require_root()
    require_tool("setcap")
    file = tmp_path / "file"
    agreed = 0
    for text in [*TEXTS, *random_texts(150)]:
        file.unlink(missing_ok=True)
        file.write_bytes(b"")
        done = run(["setcap", text, file], codes=(0, 1))
        theirs = os.getxattr(file, XATTR) if done.code == 0 else None
        try:
            ours = capability_xattr(text)
        except ValueError:
            ours = None
        assert ours == theirs, text
        agreed += ours is not None
    assert agreed > 30

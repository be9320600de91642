"""A real OpenPGP key that signs files, made by gpg in a home of its own."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sysextlib.system.run import run


@dataclass(frozen=True, slots=True)
class GpgKey:
    """A secret key in ``home``, and its public part in ``public``, armored."""

    home: Path
    public: Path

    @classmethod
    def make(cls, folder: Path, *, subkey_life: str = "never") -> GpgKey:
        """Make a key with a subkey that signs, as release keys have; "seconds=1" ends soon."""
        folder.mkdir(parents=True, exist_ok=True)
        # the agent's socket lies in the home, and a socket's path is short
        key = cls(Path(tempfile.mkdtemp(prefix="gpg-")), folder / "key.asc")
        user = "Releases <releases@example.org>"
        key.gpg("--quick-gen-key", user, "ed25519", "sign", "never")
        listed = key.gpg("--list-keys", "--with-colons").decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr"))
        key.gpg("--quick-add-key", fingerprint, "ed25519", "sign", subkey_life)
        key.public.write_bytes(key.gpg("--armor", "--export"))
        return key

    def sign(self, file: Path) -> Path:
        """Write ``file``.sig beside it, binary and detached; return its path."""
        signature = file.with_name(file.name + ".sig")
        signature.unlink(missing_ok=True)
        self.gpg("--detach-sign", "--output", str(signature), str(file))
        return signature

    def gpg(self, *words: str) -> bytes:
        """Run gpg without questions; return its output."""
        argv = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--no-tty"]
        return run([*argv, "--pinentry-mode", "loopback", "--passphrase", "", *words]).stdout

    def close(self) -> None:
        """End the agent that gpg started, and forget the secret key."""
        run(["gpgconf", "--homedir", self.home, "--kill", "all"], codes=range(256))
        shutil.rmtree(self.home, ignore_errors=True)

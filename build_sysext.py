#!/usr/bin/env python3
"""Build Flatcar's OS-dependent system extensions; see README.md."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"

if __name__ == "__main__":
    # The checkout's own environment holds the dependencies, whichever python3 was called.
    python = VENV / "bin" / "python"
    if Path(sys.prefix) != VENV and os.access(python, os.X_OK):
        os.execv(python, [str(python), *sys.argv])
    sys.path.insert(0, str(HERE))
    from sysextlib.cli.main import main

    sys.exit(main(sys.argv[1:]))

"""Our own commands, started by another as a user would type them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run_python(command: Sequence[str], cwd: Path | None = None) -> int:
    """The exit code. Ctrl-C reaches the command too, which saves what it has: so it is waited for."""
    child = subprocess.Popen([sys.executable, *command], cwd=cwd)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue

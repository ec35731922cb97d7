"""Our own commands, started by another as a user would type them."""

import signal
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


def how_ended(code: int | None) -> str:
    """An exit code in words, as Python has it: a signal's is below 0; None is of a process that has not ended."""
    if code is None:
        return "without an exit code"
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

"""What Weights & Biases keeps of an offline run, and how to look at it, without the second that wandb takes to load."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any


def offline_pieces(folder: Path) -> list[Path]:
    """What W&B keeps of the offline run in ``folder``, in order: a folder for each time that it was gone on with."""
    return [each for each in sorted((folder / "wandb").glob("offline-run-*")) if any(each.glob("run-*.wandb"))]


def read_piece(piece: Path) -> list[dict[str, Any]]:
    """The rows that a piece holds, as W&B's own tool reads it, however it ended."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(piece)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [record["history"]["item"] for record in map(json.loads, lines) if record["type"] == "history"]


def how_to_look(folder: Path) -> list[str]:
    """Lines that say how to see the run in ``folder``; empty where W&B kept nothing offline.

    Of several pieces the newest may hold an evaluation alone: W&B's tool lists all that lie in one folder.
    """
    offline = offline_pieces(folder)
    if not offline:
        return []
    shown = offline[0] if len(offline) == 1 else folder / "wandb"
    return [
        f"look at the run now:   {shlex.join(['wandb', 'leet', str(shown)])}",
        f"upload it later:       {shlex.join(['wandb', 'sync', *map(str, offline)])}",
    ]

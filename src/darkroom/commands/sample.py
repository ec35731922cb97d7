"""``python sample.py``: pictures from a trained run."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom.build import add_packages
from darkroom.commands.faults import answered
from darkroom.commands.front import enter
from darkroom.commands.loading import loading


def main(argv: Sequence[str], conf: Path) -> int:
    """The exit code: 2 after a mistake."""
    return enter("sample", argv, conf, run, wants=("run",))


def run(config: DictConfig) -> None:
    """What Hydra calls."""
    with answered():
        add_packages(config.get("packages") or ())
        with loading():
            from darkroom.commands.draw import draw

        draw(config)

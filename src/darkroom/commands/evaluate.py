"""``python evaluate.py``: what a trained run is worth, to the terminal and to evaluation.json."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom.commands.faults import answered
from darkroom.commands.front import enter

USAGE = """usage: python evaluate.py run=logs/STAGE/RUN [n=500] [seed=0] [steps=N] [guidance_scale=W] [sampler=NAME]
                          [batch_size=64] [out=FILE.json]"""


def main(argv: Sequence[str], conf: Path) -> int:
    """The exit code: 2 after a mistake."""
    return enter("evaluate", argv, conf, run, wants=("run",), usage=lambda conf: USAGE)


def run(config: DictConfig) -> None:
    """What Hydra calls."""
    with answered():
        from darkroom.commands.measure import measure

        measure(config)

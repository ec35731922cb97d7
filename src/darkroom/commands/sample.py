"""``python sample.py``: pictures from a trained run."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom.commands.faults import answered
from darkroom.commands.front import enter

USAGE = """usage: python sample.py run=logs/latent_diffusion/RUN [prompt="..."] [label=NAME] [n=16] [seed=0] [steps=N]
                        [guidance_scale=W] [negative_prompt="..."] [sampler=NAME] [batch_size=64] [out=DIR]

Without prompt and label, conditions are drawn from the training data and printed."""


def main(argv: Sequence[str], conf: Path) -> int:
    """The exit code: 2 after a mistake."""
    return enter("sample", argv, conf, run, wants=("run",), usage=lambda conf: USAGE)


def run(config: DictConfig) -> None:
    """What Hydra calls."""
    with answered():
        from darkroom.commands.draw import draw

        draw(config)

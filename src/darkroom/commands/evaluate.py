"""``python evaluate.py``: what a trained run is worth, to the terminal and to evaluation.json."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom.build import add_packages
from darkroom.commands.checking.swept import swept
from darkroom.commands.faults import answered
from darkroom.commands.front import enter


def main(argv: Sequence[str], conf: Path) -> int:
    """The exit code: 2 after a mistake."""
    return enter("evaluate", argv, conf, run, wants=("run", "generated", "reference", "training", "compare", "probe"))


def run(config: DictConfig) -> None:
    """What Hydra calls."""
    with answered():
        add_packages(config.get("packages") or ())
        if config.compare:
            from darkroom.commands.compare import compare

            if code := compare(config.compare):
                raise SystemExit(code)
        elif config.probe:
            from darkroom.commands.probe import probe

            probe(config)
        elif config.training is not None:
            from darkroom.commands.memorisation import measure_memorisation

            measure_memorisation(config)
        elif config.reference is not None:
            from darkroom.commands.folders import measure_folders

            measure_folders(config)
        elif swept(config):
            from darkroom.commands.sweep import sweep

            sweep(config)
        else:
            from darkroom.commands.measure import measure

            measure(config)

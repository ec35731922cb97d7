"""``python evaluate.py``: what a trained run is worth, to the terminal and to evaluation.json."""

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom.build import add_packages
from darkroom.commands.checking.swept import swept
from darkroom.commands.faults import answered
from darkroom.commands.front import enter
from darkroom.commands.loading import loading


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
        else:
            with loading():
                measure = _measure(config)
            measure(config)


def _measure(config: DictConfig) -> Callable[[DictConfig], object]:
    """What the keys ask for; each loads torch and parts of its own."""
    if config.probe:
        from darkroom.commands.probe import probe

        return probe
    if config.training is not None:
        from darkroom.commands.memorisation import measure_memorisation

        return measure_memorisation
    if config.reference is not None:
        from darkroom.commands.folders import measure_folders

        return measure_folders
    if swept(config):
        from darkroom.commands.sweep import sweep

        return sweep
    from darkroom.commands.measure import measure

    return measure

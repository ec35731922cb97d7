"""``python train.py``: check, then train. Torch and Lightning load only after the check."""

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from darkroom.build import add_packages, build
from darkroom.commands.checking.devices import crowding
from darkroom.commands.console import console
from darkroom.commands.faults import answered, without_trace
from darkroom.commands.front import enter
from darkroom.commands.loading import loading
from darkroom.runs.lock import alone


def main(argv: Sequence[str], conf: Path) -> int:
    """The exit code: 2 after a mistake, or where no experiment is named and they are listed."""
    return enter("train", argv, conf, run, wants=("experiment", "resume"))


def run(config: DictConfig) -> None:
    """One job: what Hydra calls, once or for each job of a sweep."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    # the lock comes first: what a refused process took back would be another's, which trains
    with answered(), alone(folder), without_trace(folder), answered():
        add_packages(config.get("packages") or ())
        console.quiet = os.environ.get("LOCAL_RANK", "0") != "0"
        if "LOCAL_RANK" not in os.environ and (warning := crowding(config)):  # a process of many repeats it not
            console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
        with loading():
            source = build(config.data)  # mistakes in it are told before Lightning loads, which takes longer than torch
            if not console.quiet:  # the first of several processes tells of mistakes for all
                from darkroom.commands.parts import try_parts

                try_parts(config, source.resolution)
            from darkroom.commands.fit import fit

        if config.get("experiment") is None:  # a resumed run's config.yaml has it
            config.experiment = HydraConfig.get().runtime.choices.get("experiment")
        fit(config, source)

"""Where a training step's time goes, for both stages of the demo as train.py runs them.

python benchmarks/step_time.py [--steps 200]

Medians over the steps after the first WARM, in milliseconds, as Lightning's SimpleProfiler takes them; the EMA, which
does not move at every step, as a mean. The denoiser is compiled, its first stage is untrained. "the rest" is what
Lightning, callbacks and loggers take beside what has a line of its own.
"""

import argparse
import csv
import os
import statistics
import tempfile
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.profilers import SimpleProfiler
from omegaconf import DictConfig
from overhead import WARM, Clock, composed, untrained_artifact

from darkroom.build import build
from darkroom.commands import fit

PARTS = {  # of a step, by the end of Lightning's name for it
    "data": "train_dataloader_next",
    "transfer": "Strategy.batch_to_device",
    "forward": "Strategy.training_step",
    "backward": "Strategy.backward",
    "clipping": "GradientNorm.on_before_optimizer_step",
    "zeroing gradients": "Stage.optimizer_zero_grad",
}
EMA = "EMA.on_train_batch_end"
WHOLE, CLOSURE = "run_training_batch", "Stage.optimizer_step"


class Profiled(Clock):
    """Keeps the profile of a training."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        profiler = trainer.profiler  # type: ignore[attr-defined]  # Lightning sets it from another class
        assert isinstance(profiler, SimpleProfiler)
        self.profile = dict(profiler.recorded_durations)


def trained(config: DictConfig) -> Profiled:
    """A training as train.py runs it."""
    watch, callbacks = Profiled(), fit.callbacks
    fit.callbacks = lambda *arguments: [*callbacks(*arguments), watch]
    try:
        fit.fit(config, build(config.data))
    finally:
        fit.callbacks = callbacks
    return watch


def milliseconds(watch: Profiled, steps: int) -> dict[str, float]:
    """The table's column: parts of a step by name."""

    def durations(name: str) -> list[float]:
        (found,) = (values for action, values in watch.profile.items() if action.endswith(name))
        return [1e3 * value for value in found[WARM:steps]]

    closure = durations(CLOSURE)
    inside = [durations(PARTS[name]) for name in ("forward", "backward", "clipping", "zeroing gradients")]
    column = {name: statistics.median(durations(action)) for name, action in PARTS.items()}
    column["optimizer"] = statistics.median(a - sum(b) for a, *b in zip(closure, *inside, strict=True))
    column["EMA"] = statistics.mean(durations(EMA))
    whole = 1e3 * watch.wall / (steps - WARM)
    return column | {"the rest": whole - sum(column.values()), "a step": whole}


def utilisation(folder: Path) -> float:
    """The share of the machine's measured rate of matrix products, median of what was logged."""
    with (folder / "metrics.csv").open() as file:
        return statistics.median(float(row["speed/mfu"]) for row in csv.DictReader(file) if row.get("speed/mfu"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    steps = parser.parse_args().steps
    os.environ["WANDB_MODE"] = "offline"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common = [
            f"max_steps={steps}",
            f"trainer.val_check_interval={steps}",
            "data.train_size=2048",
            "data.validation_size=64",
            "trainer.accelerator=cpu",
            "+trainer.profiler=simple",
        ]
        own = {
            "autoencoder": ["experiment=shapes_autoencoder"],
            "diffusion": [
                "experiment=shapes_latent_diffusion",
                f"first_stage.path={untrained_artifact(folder / 'artifact')}",
                f"stage.latents={folder / 'latents'}",
                "compile=true",
            ],
        }
        columns = {}
        for stage, overrides in own.items():
            watch = trained(composed(folder / stage, *common, *overrides))
            columns[stage] = milliseconds(watch, steps) | {"MFU, %": 100 * utilisation(folder / stage)}
    print("".join(f"{title:>20}" for title in ("", *columns)))
    for part in columns["autoencoder"]:
        print(f"{part:>20}" + "".join(f"{column[part]:20.2f}" for column in columns.values()))


if __name__ == "__main__":
    main()

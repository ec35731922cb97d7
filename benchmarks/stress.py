"""Kills real trainings at random moments, goes on with each, and compares it with one that nobody killed.

python benchmarks/stress.py [--kills 50] [--seed 0] [--steps 60] [--processes 1 2]
                            [--stages autoencoder latent_diffusion]

Every kill is a SIGKILL, to all processes of a `train.py` or to the first alone, which the others have to follow. It
comes at a moment drawn evenly from the training's time, from its start to a little after its end: in imports, while
latents are cached, in a step, a validation, a checkpoint, an artifact. Then
`train.py resume=` (or the same command, where the run's folder is not there yet) ends the run. Weights, average,
optimizer, metrics, artifact and Weights & Biases must be those of a run that was left alone, bit for bit, but for what
measures the machine. Every other run of each kind reads in a worker process. Exits with 1, and keeps all runs, where
one differs.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from darkroom.autoencoding.artifact import read_hash
from darkroom.runs.checkpoint_io import AtomicCheckpointIO
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics
from darkroom.runs.wandb_pieces import offline_pieces, read_piece

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "resolution=32",
    "batch_size=8",
    "data.train_size=3000",  # three files of cached latents
    "data.validation_size=40",
    "lr_schedule.warmup_steps=5",
    "trainer.accelerator=cpu",
    "trainer.log_every_n_steps=3",
    "trainer.val_check_interval=14",
    "callback.checkpoints.every_n_steps=7",
]
STAGES = {
    "autoencoder": [
        "experiment=shapes_autoencoder",
        "autoencoder=kl_f8_small",
        *(f"autoencoder.{part}.width=16" for part in ("encoder", "decoder")),
    ],
    "latent_diffusion": [
        "experiment=shapes_latent_diffusion",
        "network=dit_small",
        *("network.width=32", "network.depth=1", "network.heads=2", "network.patch=2"),
        *("conditioner.text.width=16", "conditioner.text.heads=2"),
        *("sampler.num_steps=2", "callback.samples.n=4"),
        *("callback.distribution.n=6", "callback.distribution.n_reference=8", "callback.distribution.batch_size=2"),
    ],
}
MACHINE = ("speed/", "_", "trainer/")  # what measures the machine, and W&B's own
COMPARED = {"train/loss", "gradient_norm"}  # among others
_UNLIKE = (  # of a checkpoint: the clock, and how many validation batches a process has seen, which nothing asks for
    "checkpoint.callbacks.Summary.seconds",
    "checkpoint.callbacks.ReconstructionDistance.cost",
    "checkpoint.callbacks.Distribution.cost",
    "checkpoint.callbacks.Samples.cost",
    "checkpoint.loops.fit_loop.epoch_loop.val_loop",
)
GRACE = 1.1  # of the whole time: some kills come after the end
FOLLOW = 60.0  # seconds in which the others have ended where the first process dies


@dataclass(frozen=True)
class Setting:
    """One training, to be had as often as wanted."""

    stage: str
    processes: int
    steps: int
    folder: Path  # of all its runs
    first_stage: Path | None

    def command(self, run: str, *more: str) -> list[str]:
        devices = ["trainer=ddp", f"trainer.devices={self.processes}"] if self.processes > 1 else []
        kept = [f"stage.latents={self.folder / f'latents-{run}'}"]
        kept += [f"callback.distribution.cache={self.folder / f'features-{run}'}"]
        needs = [*kept, f"first_stage.path={self.first_stage}"] if self.first_stage else []
        own = [f"max_steps={self.steps}", f"logs={self.folder}", f"run_id={run}"]
        return [*STAGES[self.stage], *devices, *SMALL, *needs, *own, *more]

    def run(self, name: str) -> Run:
        return Run(self.folder / self.stage / name)


def start(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """``train.py`` in a group of its own, with all that it says in ``log``."""
    environment = {**os.environ, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    environment.pop("WANDB_SERVICE", None)  # of whoever started this: it would outlive the killed and hold their ids
    with log.open("ab") as file:
        command = [sys.executable, str(ROOT / "train.py"), *argv]
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)


def finish(argv: Sequence[str], log: Path) -> float:
    """Seconds that a training took to its end; raises RuntimeError with its last words where it fails."""
    since = time.monotonic()
    process = start(argv, log)
    if process.wait(timeout=600):
        raise RuntimeError(f"{log}: exit code {process.returncode}: {log.read_text()[-2000:]}")
    return time.monotonic() - since


def kill_after(seconds: float, argv: Sequence[str], log: Path, *, alone: bool) -> None:
    """A training whose processes are killed together, or its first ``alone``; one that has ended is left as it is.

    Raises RuntimeError where the others go on without the first.
    """
    process = start(argv, log)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        if not alone:
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    since = time.monotonic()
    while _alive(process.pid):
        if time.monotonic() - since > FOLLOW:
            raise RuntimeError(f"{log}: processes live {FOLLOW:.0f} s after the first was killed")
        time.sleep(0.1)


def _alive(group: int) -> bool:
    """Whether a process of the group is left, as Linux lists them; one that waits for its parent to ask is not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just gone
            state, _, own, *_ = path.read_text().rpartition(")")[2].split()
            if int(own) == group and state != "Z":
                return True
    return False


def differences(run: Run, whole: Run) -> Iterator[str]:
    """What of ``run`` is not as in ``whole``."""
    mine, other = (AtomicCheckpointIO().load_checkpoint(each.trained()) for each in (run, whole))
    yield from _differing("checkpoint", mine, other)
    if _rows(run) != _rows(whole):
        yield "metrics.csv"
    if unseen := COMPARED - {name for row in _rows(whole) for name in row}:
        yield f"metrics.csv holds nothing to compare of {', '.join(sorted(unseen))}"
    if read_hash(run.first_stage) != read_hash(whole.first_stage):
        yield "first_stage"
    if not run.summary["finished"] or _measured(run.summary) != _measured(whole.summary):
        yield "summary.json"
    found = Counter(_logged(run))
    if found != Counter(_logged(whole)):
        yield f"W&B: {sorted((found - Counter(_logged(whole))) + (Counter(_logged(whole)) - found))[:4]}"


def _differing(name: str, mine: Any, other: Any) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(other, dict) and mine.keys() == other.keys():
        for key in mine:
            yield from _differing(f"{name}.{key}", mine[key], other[key])
    elif isinstance(mine, list | tuple) and isinstance(other, list | tuple) and len(mine) == len(other):
        for place, (each, its) in enumerate(zip(mine, other, strict=True)):
            yield from _differing(f"{name}.{place}", each, its)
    elif not name.startswith(_UNLIKE) and not (
        torch.equal(mine, other) if isinstance(mine, torch.Tensor) else mine == other
    ):
        yield name


def _measured(values: dict[str, Any]) -> dict[str, Any]:
    """The metrics among ``values``, but for those of the machine."""
    names = (name for name in values if "/" in name or name in COMPARED)
    return {name: values[name] for name in names if not name.startswith(MACHINE)}


def _rows(run: Run) -> list[dict[str, Any]]:
    rows = [
        {"step": row["step"], **{k: v for k, v in _measured(row).items() if v}} for row in read_metrics(run.metrics)
    ]
    return [row for row in rows if len(row) > 1]


def _logged(run: Run) -> list[tuple[str, int, float]]:
    """Metric, step and value of all that the pieces of an offline run hold, in order."""
    rows = [row for piece in offline_pieces(run.path) for row in read_piece(piece)]
    return [(name, row["_step"], value) for row in rows for name, value in _measured(row).items()]


def settings(folder: Path, stages: Sequence[str], processes: Sequence[int], steps: int) -> Iterator[Setting]:
    """The trainings to kill; a denoiser's autoencoder is trained first."""
    first_stage = None
    if "latent_diffusion" in stages:
        setting = Setting("autoencoder", 1, steps, folder / "first_stage", None)
        setting.folder.mkdir()
        finish(setting.command("whole"), setting.folder / "log.txt")
        first_stage = setting.run("whole").path
    for stage in stages:
        for count in processes:
            own = folder / f"{stage}-{count}"
            own.mkdir()
            yield Setting(stage, count, steps, own, first_stage if stage == "latent_diffusion" else None)


def attempt(setting: Setting, number: int, seconds: float, num_workers: int, *, alone: bool) -> list[str]:
    """Kills one run after ``seconds`` and goes on with it; what is not as it should be."""
    name = f"killed-{number:02d}"
    log, run = setting.folder / f"{name}.txt", setting.run(name)
    workers = f"num_workers={num_workers}"
    kill_after(seconds, setting.command(name, workers), log, alone=alone)
    began = (run.path / "config.yaml").exists()
    finish([f"resume={run.path}"] if began else setting.command(name, workers), log)
    return list(differences(run, setting.run("whole")))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=60, help="of each training; a validation comes every 14")
    parser.add_argument("--keep", type=Path, help="an empty or new folder that keeps all runs")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="stress-"))
    folder.mkdir(parents=True, exist_ok=True)

    trainings = list(settings(folder, options.stages, options.processes, options.steps))
    whole = {each: finish(each.command("whole"), each.folder / "whole.txt") for each in trainings}
    moments, faulty = random.Random(options.seed), 0
    for number in range(options.kills):
        setting = trainings[number % len(trainings)]
        seconds = moments.uniform(0, GRACE * whole[setting])
        num_workers, alone = 1 - number // len(trainings) % 2, number // len(trainings) // 2 % 2 == 1
        faults = attempt(setting, number, seconds, num_workers, alone=alone)
        faulty += bool(faults)
        what = f"{setting.stage}, {setting.processes} processes, {num_workers} readers each"
        when = f"{'the first ' if alone else ''}killed after {seconds:.2f} of {whole[setting]:.2f} s"
        print(f"{number + 1}/{options.kills} {what}, {when}: {'; '.join(faults) or 'equal'}", flush=True)
    print(json.dumps({"kills": options.kills, "equal": options.kills - faulty}))
    if not faulty and not options.keep:
        shutil.rmtree(folder)
    return int(faulty > 0)


if __name__ == "__main__":
    sys.exit(main())

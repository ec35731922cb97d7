"""Whether a long training grows: memory of its processes and size of its files, early and late.

python benchmarks/long_run.py [--steps 20000] [--stage latent_diffusion]

A small training with two reading processes, W&B offline and a log every 10 steps, as a real `train.py`. Memory is what
the kernel counts for each process (VmRSS), every two seconds; the lines show medians over the second and the last tenth
of the steps, when everything has been touched once.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stress import STAGES, finish, start

from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics

COMMON = [
    "resolution=32",
    "batch_size=8",
    "data.train_size=2000",
    "data.validation_size=40",
    "trainer.accelerator=cpu",
    "trainer.val_check_interval=2000",
    "num_workers=2",
]


def processes(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in children.read_text().split():
                yield from processes(int(child))


def memory(pid: int) -> tuple[str, float]:
    """Name and MiB of a process."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return lines["Name"].strip(), int(lines["VmRSS"].split()[0]) / 1024


def step_of(run: Run) -> int:
    rows = read_metrics(run.metrics)
    return int(rows[-1]["step"]) if rows else 0


def watch(pid: int, run: Run, running: Iterator[None]) -> dict[str, list[tuple[int, float]]]:
    """For each process, by name and number, steps and MiB."""
    seen = defaultdict(list)
    for _ in running:
        step = step_of(run)
        for each in processes(pid):
            try:
                name, size = memory(each)
            except (OSError, KeyError):  # it has ended meanwhile
                continue
            seen[f"{name} {each}"].append((step, size))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--stage", default="latent_diffusion", choices=STAGES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        needs = []
        if options.stage == "latent_diffusion":
            common = [*COMMON, "max_steps=20", f"logs={folder}", "run_id=first"]
            finish([*STAGES["autoencoder"], *common], folder / "first.txt")
            needs = [f"first_stage.path={folder / 'autoencoder' / 'first'}", f"stage.latents={folder / 'latents'}"]
        run = Run(folder / options.stage / "long")
        argv = [*STAGES[options.stage], *COMMON, *needs, f"max_steps={options.steps}", f"logs={folder}", "run_id=long"]
        process = start(argv, folder / "long.txt")

        def running() -> Iterator[None]:
            while process.poll() is None:
                yield
                time.sleep(2)

        seen = watch(process.pid, run, running())
        if process.returncode:
            sys.exit((folder / "long.txt").read_text()[-2000:])
        report(seen, options.steps)
        for path in sorted(run.path.rglob("*")):
            if path.is_file() and path.stat().st_size > 2**20:
                print(f"{path.relative_to(run.path)}: {path.stat().st_size / 2**20:.1f} MiB")


def report(seen: dict[str, list[tuple[int, float]]], steps: int) -> None:
    """A line for each process that was there early and late."""
    for name, sizes in seen.items():
        early = [size for step, size in sizes if 0.1 * steps <= step <= 0.2 * steps]
        late = [size for step, size in sizes if step >= 0.9 * steps]
        if early and late:
            first, last = statistics.median(early), statistics.median(late)
            print(f"{name}: {first:.0f} MiB early, {last:.0f} MiB late ({last / first - 1:+.2%})")


if __name__ == "__main__":
    main()

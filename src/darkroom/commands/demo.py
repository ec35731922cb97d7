"""``make demo``: autoencoder, latent diffusion, evaluation and samples on drawn shapes, by the commands a user types.

Ends by naming ``logs/demo/samples.png``, ``logs/demo/reconstructions.png`` and ``logs/demo/summary.json``.
"""

import datetime
import json
import shutil
import sys
import sysconfig
import time
from pathlib import Path

from darkroom.commands.child import run_python
from darkroom.commands.console import console
from darkroom.commands.faults import report
from darkroom.files import write_text
from darkroom.runs.folder import Run

LOGS = Path("logs/demo")
PROMPT = "a red circle above a small blue square"


def main(overrides: list[str] | None = None) -> int:
    """Runs the four commands in turn, ``overrides`` go to both trainings; the exit code is the first failure's."""
    stamp = f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    autoencoder, diffusion = (Run(LOGS / stage / stamp) for stage in ("autoencoder", "latent_diffusion"))
    common = [f"logs={LOGS}", f"run_id={stamp}", *(overrides or [])]
    steps = {
        "autoencoder": ["train.py", "experiment=shapes_autoencoder", *common],
        "diffusion": [
            "train.py",
            "experiment=shapes_latent_diffusion",
            f"first_stage.path={autoencoder.path}",
            f"compile={can_compile()}",
            *common,
        ],
        "evaluation": ["evaluate.py", f"run={diffusion.path}"],
        "sampling": [
            "sample.py",
            f"run={diffusion.path}",
            f"prompt={PROMPT}",
            "n=16",
            f"out={LOGS / 'prompt' / stamp}",
        ],
    }
    seconds: dict[str, float] = {}
    for name, command in steps.items():
        started = time.monotonic()
        console.rule(f"{name}: python {' '.join(_shown(part) for part in command)}")
        code = run_python(command, _root())
        if code:
            return code
        seconds[name] = time.monotonic() - started
    finish(autoencoder, diffusion, seconds)
    return 0


def finish(autoencoder: Run, diffusion: Run, seconds: dict[str, float]) -> None:
    """Copies the pictures to where they are easy to find, and sums up."""
    sheets = sorted(autoencoder.samples.glob("reconstructions-*.png"))
    if not sheets:
        remedy = "leave callback.reconstructions in, and validate within max_steps"
        raise SystemExit(report([f"{autoencoder.samples}: the training left no reconstructions there; {remedy}"]))
    shutil.copy(sheets[-1], LOGS / "reconstructions.png")
    shutil.copy(diffusion.path / "evaluation.png", LOGS / "samples.png")
    found = json.loads((diffusion.path / "evaluation.json").read_text())
    metrics = {name: number["value"] for name, number in found["metrics"].items()}
    summary = {
        "seconds": sum(seconds.values()),
        **{f"{name}_seconds": value for name, value in seconds.items()},
        **metrics,
        "images_per_second": metrics["samples_per_second"],
        "autoencoder": str(autoencoder.path),
        "latent_diffusion": str(diffusion.path),
    }
    write_text(LOGS / "summary.json", json.dumps(summary, indent=2) + "\n")
    console.rule("what to look at")
    for name in ("samples.png", "reconstructions.png", "summary.json"):
        console.print(LOGS / name)
    shares = (summary[f"prompt_accuracy{kind}"] for kind in ("", "_held_out", "_real"))
    console.print(
        "PSNR {:.1f} dB; the judge reads {:.1%} of samples as asked, {:.1%} of held-out combinations, {:.1%} of real "
        "pictures; {:.0f} s".format(summary["val_psnr"], *shares, summary["seconds"])
    )


def can_compile() -> bool:
    """Whether torch.compile finds what it wants on a CPU: a C++ compiler and Python's headers."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return header.exists() and any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def _root() -> Path:
    return Path(__file__).resolve().parents[3]


def _shown(part: str) -> str:
    return f'"{part}"' if " " in part else part


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

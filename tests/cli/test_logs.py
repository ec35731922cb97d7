"""What a run writes down grows by a short row a logged step, and by nothing else."""

from pathlib import Path

import pytest

from darkroom.commands import train
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import read_metrics

CONF = Path(__file__).resolve().parents[2] / "conf"
ROW = 250  # bytes: 20,000 steps that log every tenth keep half a MB
SMALL = [
    "experiment=shapes_autoencoder",
    "data.train_size=12",
    "data.validation_size=4",
    "resolution=32",
    "batch_size=4",
    "autoencoder=kl_f8_small",
    *(f"autoencoder.{part}.width=16" for part in ("encoder", "decoder")),
    "trainer=cpu",
    "trainer.log_every_n_steps=1",
    "logger=csv",
]


def trained(logs: Path, steps: int) -> Run:
    argv = [*SMALL, f"logs={logs}", f"max_steps={steps}", f"run_id=of-{steps}"]
    assert train.main(argv, CONF) == 0
    return Run(logs / "autoencoder" / f"of-{steps}")


@pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")
def test_logs_stay_small(tmp_path):
    short, long = (trained(tmp_path, steps) for steps in (3, 23))
    assert len(read_metrics(long.metrics)) - len(read_metrics(short.metrics)) == 20
    metrics, log = ([run.path / name for run in (short, long)] for name in ("metrics.csv", "train.log"))
    assert metrics[1].stat().st_size - metrics[0].stat().st_size < 20 * ROW
    assert log[1].stat().st_size == log[0].stat().st_size

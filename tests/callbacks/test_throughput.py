import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from omegaconf import OmegaConf
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from trainers import Pictures, Tiny, loader, trainer

from darkroom.build import build
from darkroom.callbacks import throughput
from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.callbacks.first_batch import FirstBatch
from darkroom.callbacks.throughput import Throughput
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import MetricsFile, read_metrics

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(autouse=True)
def known_machine(monkeypatch):
    monkeypatch.setattr(throughput, "matmul_rate", lambda *_: 1e9)


class Slow(Pictures):
    """A batch takes 20 ms to read."""

    def __getitem__(self, step):
        time.sleep(0.02)
        return super().__getitem__(step)


class Busy(Tiny):
    """A step takes 20 ms to compute."""

    def training_step(self, batch, batch_idx):
        time.sleep(0.02)
        return super().training_step(batch, batch_idx)


def rows(folder, steps, module, data, *callbacks, **options):
    trainer(folder, steps, list(callbacks), [MetricsFile(folder)], **options).fit(module, data, data)
    found = read_metrics(folder / "metrics.csv")
    return [{name: float(value) for name, value in row.items() if value} for row in found if row["speed/step_seconds"]]


def test_speed_and_waiting_are_those_of_the_clock(tmp_path):
    slow = DataLoader(Slow(), batch_size=None)
    last = rows(tmp_path, 8, Busy(), slow, Throughput())[-1]
    assert last["speed/step_seconds"] > 0.04
    assert last["speed/pictures_per_second"] == pytest.approx(4 / last["speed/step_seconds"], rel=1e-4)
    assert last["speed/data_wait"] * last["speed/step_seconds"] == pytest.approx(0.02, abs=0.015)


def test_validation_does_not_count_as_training(tmp_path):
    class Long(Tiny):
        def validation_step(self, *_):
            time.sleep(0.3)

    options = {"limit_val_batches": 1, "val_check_interval": 3, "check_val_every_n_epoch": None}
    found = rows(tmp_path, 8, Long(), loader(), Throughput(), num_sanity_val_steps=0, **options)
    assert max(row["speed/step_seconds"] for row in found) < 0.15


def test_flops_are_those_of_the_products_forward_and_backward(tmp_path):
    callback = Throughput()
    last = rows(tmp_path, 4, Tiny(), loader(), callback)[-1]
    flops = 2 * (2 * 4 * 192 * 8)  # x W, and its gradient for W: the picture needs none
    assert callback.state_dict() == {"flops_per_picture": flops / 4}
    assert last["speed/mfu"] == pytest.approx(flops / last["speed/step_seconds"] / 1e9, rel=1e-4)


class Shown(Tiny):
    """What it shows of a batch goes through a matrix first."""

    def pictures(self, batch, n):
        return (batch.picture[:n].flatten(1) @ torch.zeros(192, 192)).unflatten(1, (3, 8, 8)).to(torch.uint8)


def test_what_the_first_batch_shows_is_no_part_of_a_step(tmp_path):
    built = [build(node) for node in OmegaConf.load(CONF / "callback" / "default.yaml").values() if _of_step(node)]
    assert [type(each) for each in built] == [FirstBatch, Throughput]
    rows(tmp_path, 4, Shown(), loader(), *built)
    assert built[1].state_dict() == {"flops_per_picture": 2 * (2 * 192 * 8)}
    assert (tmp_path / "samples" / "first_batch-00000000.png").is_file()


def _of_step(node):
    return node["_target_"].endswith((".FirstBatch", ".Throughput"))


def test_it_says_all_that_it_logs(tmp_path):
    last = rows(tmp_path, 4, Tiny(), loader(), callback := Throughput())[-1]
    assert set(callback.metric_names) == {name for name in last if name.startswith("speed/")}


@pytest.mark.parametrize("name", Throughput().metric_names)
def test_the_best_checkpoint_may_be_chosen_by_any_of_it(tmp_path, name):
    options = {"limit_val_batches": 1, "val_check_interval": 4, "check_val_every_n_epoch": None}
    callbacks = [Throughput(), Checkpoints(monitor=name, mode="max", every_n_steps=100)]
    trainer(tmp_path, 6, callbacks, enable_checkpointing=True, **options).fit(Tiny(), loader(), loader())
    assert Run(tmp_path).best_record["metric"] == name


def test_a_resumed_training_does_not_count_again(tmp_path):
    class Counting(Callback):
        seen = False

        def on_train_batch_end(self, *_):
            self.seen |= any(isinstance(mode, FlopCounterMode) for mode in [callback._counter])

    callback, spy = Throughput(), Counting()
    callback.load_state_dict({"flops_per_picture": 123})
    last = rows(tmp_path, 4, Tiny(), loader(), spy, callback)[-1]
    assert not spy.seen
    assert callback.state_dict() == {"flops_per_picture": 123}
    assert last["speed/mfu"] == pytest.approx(123 * last["speed/pictures_per_second"] / 1e9, rel=1e-4)


def test_counting_ends_when_the_first_step_fails(tmp_path):
    class Broken(Tiny):
        def training_step(self, *_):
            raise RuntimeError("broken")

    callback = Throughput()
    with pytest.raises(RuntimeError, match="broken"):
        trainer(tmp_path, 2, [callback]).fit(Broken(), loader())
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None

"""The loaders inside Lightning's own loops: an interrupted run sees what an uninterrupted one sees."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from read_elsewhere import HELD, Faulty, Grouped, Locking, Pictures, Talking, TooLarge, Unreadable
from torch.utils.data import DataLoader

from darkroom.contracts import Visit
from darkroom.data.datamodule import DataModule
from darkroom.data.loader import VisitLoader
from darkroom.data.sampler import VisitSampler
from darkroom.data.split import PictureSplit

MAX_STEPS = 9
pytestmark = [
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),  # a resumed run writes elsewhere, to be compared
    pytest.mark.filterwarnings("ignore:.*suggested max number of worker"),  # tests may be held to one core
]


class Witness(LightningModule):
    """Trains one number, and writes down every visit."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen, self.validated, self.steps = [], [], []

    def training_step(self, batch):
        assert torch.equal(batch.image[:, 0, 0, 0].long(), batch.index)
        self.steps.append((self.global_step, batch.step))
        self.seen += zip(batch.index.tolist(), batch.epoch.tolist(), batch.place.tolist(), strict=True)
        return (self.weight - batch.picture.mean()).square()

    def validation_step(self, batch):
        self.validated += batch.index.tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder, *, max_steps=MAX_STEPS, num_workers=0, checkpoint=None, batch_size=4, **settings):
    """A run of ``max_steps`` with a checkpoint at its end; gives back the module and the checkpoint's path."""
    train, validation = PictureSplit(Pictures(), 11), PictureSplit(Pictures(), 5)
    data = DataModule(train, validation, batch_size=batch_size, seed=0, num_workers=num_workers)
    module = Witness()
    saver = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = Trainer(
        **{
            "max_steps": max_steps,
            "max_epochs": -1,
            "callbacks": [saver],
            "logger": False,
            "accelerator": "cpu",
            "devices": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "use_distributed_sampler": False,
            "check_val_every_n_epoch": None,
            "val_check_interval": 3,
            "num_sanity_val_steps": 0,
        }
        | settings
    )
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=False)
    return module, folder / f"step={max_steps}.ckpt"


@pytest.mark.parametrize(("num_workers", "accumulate"), [(0, 1), (0, 2), (2, 2)])
@pytest.mark.filterwarnings("error:.*not resumable.*")
def test_a_resumed_run_sees_the_visits_of_the_uninterrupted_one(tmp_path, num_workers, accumulate):
    settings = {"num_workers": num_workers, "accumulate_grad_batches": accumulate, "val_check_interval": 3 * accumulate}
    whole, _ = fit(tmp_path / "whole", **settings)
    first, checkpoint = fit(tmp_path / "first", max_steps=4, **settings)
    rest, _ = fit(tmp_path / "rest", checkpoint=checkpoint, **settings)
    assert len(whole.seen) == MAX_STEPS * 4
    assert first.seen + rest.seen == whole.seen
    assert torch.equal(rest.weight, whole.weight)
    assert rest.steps == whole.steps[4 * accumulate :]


def test_a_run_goes_on_from_a_checkpoint_in_its_middle(tmp_path):
    whole, _ = fit(tmp_path / "whole")
    for step in (3, 5, 8):  # 3: just where validation ran
        rest, _ = fit(tmp_path / f"rest {step}", checkpoint=tmp_path / "whole" / f"step={step}.ckpt")
        assert rest.seen == whole.seen[4 * step :]
        assert torch.equal(rest.weight, whole.weight)


def test_a_finished_run_can_be_prolonged(tmp_path):
    whole, _ = fit(tmp_path / "whole", max_steps=12)
    _, checkpoint = fit(tmp_path / "short", max_steps=MAX_STEPS)
    longer, _ = fit(tmp_path / "longer", max_steps=12, checkpoint=checkpoint)
    assert longer.seen == whole.seen[4 * MAX_STEPS :]


def test_batches_carry_the_step_that_the_trainer_counts(tmp_path):
    module, _ = fit(tmp_path)
    assert module.steps == [(step, step) for step in range(MAX_STEPS)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_validation_sees_each_picture_once(tmp_path, num_workers):
    module, _ = fit(tmp_path, num_workers=num_workers)
    assert module.validated == list(range(5)) * 3  # after steps 3, 6 and 9


def test_overfitting_repeats_the_first_batch(tmp_path):
    module, _ = fit(tmp_path, overfit_batches=1, val_check_interval=1.0, check_val_every_n_epoch=1, limit_val_batches=0)
    assert module.seen == module.seen[:4] * MAX_STEPS
    assert [step for _, step in module.steps] == list(range(MAX_STEPS))


def test_overfitting_repeats_the_whole_batch_whatever_its_parts(tmp_path):
    parts = {"accumulate_grad_batches": 2, "overfit_batches": 2}
    module, _ = fit(tmp_path, **parts, val_check_interval=2, limit_val_batches=0)
    assert [place for *_, place in module.seen[:4]] == [0, 1, 2, 3]
    assert module.seen == module.seen[:4] * MAX_STEPS
    assert [step for _, step in module.steps[::2]] == list(range(MAX_STEPS))


def test_two_processes_see_together_what_one_sees(tmp_path):
    """Lightning on two real processes; the weight agrees only if each read its half."""
    one, _ = fit(tmp_path / "one")
    _, checkpoint = fit(tmp_path / "two", devices=2, strategy="ddp_fork")
    two = torch.load(checkpoint, weights_only=False)["state_dict"]["weight"]
    assert two == pytest.approx(one.weight.item(), abs=1e-6)


def test_a_batch_that_does_not_divide_stops_the_run_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"batch_size=5 .*accumulate_grad_batches=2; use 4 or 6"):
        fit(tmp_path, batch_size=5, accumulate_grad_batches=2)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_reading_draws_nothing_from_the_global_generator(num_workers):
    before = torch.get_rng_state()
    visits = VisitSampler(11, batch_size=4, seed=0, max_steps=2)
    batches = list(VisitLoader(PictureSplit(Pictures(), 11), visits, num_workers=num_workers))
    assert [batch.step for batch in batches] == [0, 1]
    assert torch.equal(torch.get_rng_state(), before)


def test_mirroring_is_seen_in_training_only():
    gradient = torch.arange(4, dtype=torch.uint8).expand(1, 3, 4, 4)
    split = PictureSplit(lambda indices: gradient.repeat(len(indices), 1, 1, 1), 100, flip_seed=0)
    batch = split.__getitems__([Visit(i, 0, 0, i) for i in range(100)])
    left = batch.image[:, 0, 0, 0]
    assert set(left.tolist()) == {0, 3} and split.flip_seed is not None
    assert torch.equal(split.oriented([0], mirrored=False), gradient)
    assert torch.equal(split.oriented([0], mirrored=True), gradient.flip(-1))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_input_error_is_raised_in_its_own_words_by_a_worker_too(num_workers):
    visits = VisitSampler(4, batch_size=2, seed=0, max_steps=4)
    loader = VisitLoader(PictureSplit(Unreadable(), 4), visits, num_workers=num_workers)
    with pytest.raises(ValueError, match=r"^picture 3: ") as caught:
        list(loader)
    assert caught.traceback[-1].path.name == "loader.py" or num_workers == 0


def test_a_mistake_in_the_code_of_a_data_set_keeps_its_traceback():
    loader = VisitLoader(PictureSplit(Faulty(), 4), VisitSampler(4, batch_size=2, seed=0, max_steps=4), num_workers=1)
    with pytest.raises(ValueError, match=r"(?s)Traceback.*read_elsewhere\.py.*operands do not go together"):
        list(loader)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_what_a_worker_logs_is_logged_by_the_trainer(caplog, num_workers):
    visits = VisitSampler(4, batch_size=2, seed=0, max_steps=4)
    list(VisitLoader(PictureSplit(Talking(), 4), visits, num_workers=num_workers))
    assert caplog.messages == ["skipped picture 2"] * 2  # a visit in each of two epochs
    assert {record.name for record in caplog.records} == {"pictures"}


@pytest.mark.parametrize(
    ("words", "raised", "told"),
    [
        ("unable to allocate shared memory(shm) for file", OSError, "/dev/shm; set num_workers=0"),
        ("unable to open shared memory object: Too many open files (24)", OSError, r"ulimit -n \d+"),
        ("x", RuntimeError, "^x$"),
    ],
)
def test_pictures_that_cannot_be_shared_are_one_line(monkeypatch, words, raised, told):
    def refuse(_):
        raise RuntimeError(words)

    monkeypatch.setattr(DataLoader, "__iter__", refuse)
    loader = VisitLoader(PictureSplit(Pictures(), 4), VisitSampler(4, batch_size=2, seed=0, max_steps=4))
    with pytest.raises(raised, match=told):
        list(loader)


def test_a_batch_that_a_reader_cannot_share_is_one_line_and_not_waited_for():
    loader = VisitLoader(PictureSplit(TooLarge(), 4), VisitSampler(4, batch_size=2, seed=0, max_steps=4), num_workers=1)
    with pytest.raises(OSError, match="/dev/shm; set num_workers=0"):
        list(loader)


def test_a_signal_to_the_whole_group_does_not_reach_a_worker():
    visits = VisitSampler(1, batch_size=1, seed=0, max_steps=2)
    for num_workers, said in ((1, "apart"), (0, "with the group")):
        with pytest.raises(FileNotFoundError, match=said):
            list(VisitLoader(Grouped(), visits, num_workers=num_workers))


def test_a_worker_inherits_no_lock_that_a_thread_of_the_trainer_holds():
    visits = VisitSampler(1, batch_size=1, seed=0, max_steps=2)
    for num_workers, said in ((1, "free"), (0, "held")):
        with HELD, pytest.raises(FileNotFoundError, match=said):
            list(VisitLoader(Locking(), visits, num_workers=num_workers))


_LEFT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from read_elsewhere import Pictures
from darkroom.data.loader import VisitLoader
from darkroom.data.sampler import VisitSampler
from darkroom.data.split import PictureSplit
loader = VisitLoader(PictureSplit(Pictures(), 8), VisitSampler(8, batch_size=2, seed=0, max_steps=99), num_workers=1)
next(iter(loader))
print("read", flush=True)
"""


@pytest.mark.parametrize(("how", "code"), [("", 0), ("os.kill(os.getpid(), 9)", -9)])
def test_readers_end_with_the_process_that_leaves_them_at_work_or_is_killed(how, code):
    command = [sys.executable, "-c", _LEFT + how, str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "read\n"
    assert process.communicate(timeout=20) == ("", None)  # ends when none of them holds the pipe any longer
    assert process.returncode == code


def test_fewer_validation_pictures_than_processes_are_refused_before_the_first_step():
    data = DataModule(PictureSplit(Pictures(), 11), PictureSplit(Pictures(), 3), batch_size=4, seed=0)
    data.trainer = SimpleNamespace(world_size=4, accumulate_grad_batches=1, global_rank=0)
    with pytest.raises(ValueError, match=r"3 pictures for 4 processes; .* trainer.devices"):
        data.setup("fit")

"""What is drawn while the denoiser trains."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from torch import nn

from darkroom.callbacks import cost
from darkroom.callbacks.samples import Samples
from darkroom.conditioning.class_label import ClassLabel
from darkroom.conditioning.null import NoCondition
from darkroom.conditioning.words import in_words
from darkroom.contracts import LatentSpec, Posterior, Prompts, to_uint8
from darkroom.data.prompts import PromptTable
from darkroom.data.split import PictureSplit
from darkroom.diffusion.parameterization import Velocity
from darkroom.diffusion.plan import SamplingPlan
from darkroom.diffusion.process import Process
from darkroom.diffusion.schedule import Flow
from darkroom.diffusion.time_grid import uniform
from darkroom.diffusion.time_law import Uniform
from darkroom.diffusion.weighting import Constant
from darkroom.generation.denoising import Denoising
from darkroom.generation.generator import Generator
from darkroom.keys import keys
from darkroom.runs.pictures import grid


class Plain(nn.Module):
    spec = LatentSpec(channels=3, factor=1, hash="plain")

    def encode(self, picture):
        return Posterior(picture, torch.zeros_like(picture))

    def decode(self, latent):
        return latent / 3


class Quiet(nn.Module):
    """A network that predicts nothing; one weight, to have a device."""

    def __init__(self, channels, condition):  # noqa: ARG002
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x, time, condition):  # noqa: ARG002
        return 0 * self.weight * x


def stay(_denoiser, noise, _schedule, _times, _keys=None):
    return noise


class Stage(LightningModule):
    def __init__(self, conditioner):
        super().__init__()
        self.model = Denoising(network=Quiet, conditioner=conditioner, first_stage=Plain())
        self.logged = {}

    def log_dict(self, values, **options):  # noqa: ARG002
        self.logged |= values

    def generator(self):
        process = Process(Flow(), Velocity(), Uniform(), Constant())
        return Generator(self.model, process, Plain(), SamplingPlan(stay, uniform, 1), None, resolution=8)


class Split(PictureSplit):
    """What a latent split offers besides: its conditions by index."""

    @property
    def prompts(self):
        return PromptTable(self)


class Alone:
    """A strategy of one process, which counts what all must take part in."""

    root_device = torch.device("cpu")

    def __init__(self):
        self.met = []

    def broadcast(self, answer):
        self.met.append("broadcast")
        return answer

    def barrier(self):
        self.met.append("barrier")


class At(Trainer):
    """A trainer in the middle of a run whose validation set has five pictures."""

    global_step, sanity_checking, is_global_zero, default_root_dir = 40, False, True, ""
    max_steps, world_size, strategy, loggers = 100, 1, None, ()

    def __init__(self, folder, **changes):
        labels = changes.pop("labels", [4, 3, 2, 1, 0])
        self.datamodule = SimpleNamespace(validation=Split(lambda _: torch.zeros(0), 5, labels=labels))
        self.default_root_dir, self.strategy = folder, Alone()
        for name, value in changes.items():
            setattr(self, name, value)


def drawn(stage, engine, **settings):
    """The sheet that the callback left, or None."""
    Samples(**settings).on_validation_epoch_end(engine, stage)
    sheets = sorted(engine.default_root_dir.glob("samples/*.png"))
    return Image.open(sheets[-1]) if sheets else None


def expected(n, texts, seed=0):
    noise = keys(seed=seed, purpose="sample", places=range(n)).fold("start").normal((3, 8, 8))
    return grid(to_uint8(noise / 3), texts)


def test_the_first_validation_conditions_are_drawn_at_fixed_keys(tmp_path):
    sheet = drawn(Stage(ClassLabel(5, 4)), At(tmp_path), n=3, seed=7)
    assert sheet.tobytes() == expected(3, in_words(Prompts(label=torch.tensor([4, 3, 2]))), seed=7).tobytes()
    assert (tmp_path / "samples" / "samples-00000040.png").is_file()


def test_no_more_are_drawn_than_the_validation_set_has_conditions_for(tmp_path):
    sheet = drawn(Stage(ClassLabel(5, 4)), At(tmp_path), n=16)
    assert sheet.tobytes() == expected(5, in_words(Prompts(label=torch.tensor([4, 3, 2, 1, 0])))).tobytes()


def test_data_without_conditions_is_drawn_all_the_same(tmp_path):
    sheet = drawn(Stage(NoCondition()), At(tmp_path, labels=None), n=4)
    assert sheet.tobytes() == expected(4, None).tobytes()


def test_no_picture_stands_over_words_that_its_model_did_not_read(tmp_path):
    sheet = drawn(Stage(NoCondition()), At(tmp_path), n=3)
    assert sheet.tobytes() == expected(3, None).tobytes()


@pytest.mark.parametrize("where", [{"sanity_checking": True}, {"is_global_zero": False}], ids=str)
def test_nothing_is_drawn_before_training_or_on_another_process(tmp_path, where):
    assert drawn(Stage(ClassLabel(5, 4)), At(tmp_path, **where)) is None


def test_a_stage_that_draws_nothing_is_left_alone(tmp_path):
    assert drawn(LightningModule(), At(tmp_path)) is None


@pytest.mark.parametrize("first", [True, False])
def test_all_processes_take_part_in_what_the_first_draws(tmp_path, first):
    engine, stage = At(tmp_path, is_global_zero=first), Stage(ClassLabel(5, 4))
    assert (drawn(stage, engine) is not None) == first
    assert engine.strategy.met == ["broadcast", "barrier"]
    assert set(stage.logged) == set(Samples().metric_names) == {"speed/samples_share"}


class Slow(Stage):
    """Takes ten seconds to draw."""

    def __init__(self, clock):
        super().__init__(NoCondition())
        self.clock = clock

    def generator(self):
        self.clock.seconds += 10
        return super().generator()


def test_a_bound_leaves_grids_out_but_never_the_last_and_a_resumed_run_keeps_to_it(tmp_path, monkeypatch):
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock.seconds)

    stage, first, again = Slow(clock), Samples(n=1, max_share=0.1), Samples(n=1, max_share=0.1)

    def goes_on(callback, *steps):
        callback.on_train_start(At(tmp_path), stage)
        for step in steps:
            clock.seconds += 40
            callback.on_validation_epoch_end(At(tmp_path, global_step=step), stage)

    goes_on(first, 10, 20, 30, 40)
    assert stage.logged["speed/samples_share"] == pytest.approx(10 / 50)  # of the first grid nobody knew how long
    again.load_state_dict(first.state_dict())
    clock.seconds += 1000  # nobody trains
    goes_on(again, 50, 60, 100)
    assert stage.logged["speed/samples_share"] == pytest.approx(30 / 310)
    sheets = sorted(path.name for path in tmp_path.glob("samples/*.png"))
    assert [int(name[8:16]) for name in sheets] == [10, 50, 100]


def test_samples_that_are_no_numbers_are_told_and_cost_what_they_cost(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(Plain, "decode", lambda _, latent: latent * torch.nan)
    stage = Stage(NoCondition())
    assert drawn(stage, At(tmp_path), n=2) is None
    assert "step 40: there are no samples" in caplog.text
    assert stage.logged.keys() == {"speed/samples_share"}

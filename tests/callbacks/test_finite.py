"""A step that is no number changes nothing; too many in a row stop the run with what reproduces it."""

import copy
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor
from trainers import Pictures, Tiny, loader, trainer

from darkroom.callbacks.finite import Finite
from darkroom.callbacks.gradient_norm import GradientNorm
from darkroom.contracts import LatentBatch, Posterior, Prompts
from darkroom.runs.failure import Failure, load_failure, save_failure


class Spoilt(Tiny):
    """Its loss is NaN in some batches."""

    def __init__(self, *bad: int, fused: bool = True) -> None:
        super().__init__()
        self.bad, self.fused = bad, fused

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return super().training_step(batch, batch_idx) * (torch.nan if batch_idx in self.bad else 1.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2, fused=self.fused)


class Diary(Callback):
    """Weights and optimizer after each step."""

    def __init__(self) -> None:
        self.pages: list[list[Tensor]] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:  # noqa: ARG002
        state = [value for each in trainer.optimizers[0].state.values() for value in each.values()]
        self.pages.append(copy.deepcopy([*module.parameters(), *state]))


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("norms", [[GradientNorm(0.1)], [GradientNorm(None)], []])
def test_a_skipped_step_leaves_weights_and_optimizer_and_counts(tmp_path, fused, norms):
    diary, module = Diary(), Spoilt(2, 3, fused=fused)
    run = trainer(tmp_path, 6, [*norms, Finite(), diary])
    run.fit(module, loader())
    assert run.global_step == len(diary.pages) == 6
    changed = [not same(*pair) for pair in zip(diary.pages, diary.pages[1:], strict=False)]
    assert changed == [True, False, False, True, True]
    assert all(value.isfinite().all() for value in diary.pages[-1])
    assert not list(tmp_path.glob("failure*"))


def test_watching_changes_no_bit(tmp_path):
    weights = []
    for callbacks in ([GradientNorm()], [GradientNorm(), Finite()]):
        module = Spoilt()
        trainer(tmp_path, 4, callbacks).fit(module, loader())
        weights.append(list(module.parameters()))
    assert same(*weights)


@pytest.mark.parametrize(("most", "last"), [(0, 1), (2, 3)])
def test_too_many_in_a_row_stop_the_run_with_step_pictures_and_file(tmp_path, most, last):
    module = Spoilt(*range(1, 10))
    with pytest.raises(ValueError) as caught:
        trainer(tmp_path, 20, [GradientNorm(), Finite(most)]).fit(module, loader())
    path = tmp_path / f"failure-{last:08d}-0.pt"
    said = str(caught.value)
    assert f"at step {last}, the last of {most + 1} in a row" in said
    assert f"max_skipped={most}" in said and "places 0 to 3, pictures 0, 1, 2, 3;" in said and str(path) in said
    assert "\n" not in said
    failure = load_failure(path)
    [batch] = failure.batches
    assert failure.step == batch.step == last
    assert torch.equal(batch.image, Pictures()[last].image)
    assert batch.prompts.caption == Pictures()[last].prompts.caption
    assert same(list(failure.weights.values()), list(module.state_dict().values()))


def test_steps_that_are_not_in_a_row_do_not_stop_it(tmp_path):
    run = trainer(tmp_path, 8, [GradientNorm(), Finite(1)])
    run.fit(Spoilt(1, 3, 5, 7), loader())
    assert run.global_step == 8


class OnGPU(Tiny):
    device = torch.device("cuda")  # so it says


class Later(Finite):
    """As where the device is read with the logs alone."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:  # noqa: ARG002
        super().on_train_batch_end(trainer, OnGPU(), *rest)


@pytest.mark.parametrize("bad", [(0, 1, 2), (1, 2, 4, 5)])
def test_a_row_that_has_ended_when_it_is_read_is_warned_of(tmp_path, caplog, bad):
    run = trainer(tmp_path, 8, [GradientNorm(), Later(1)], log_every_n_steps=4)
    run.fit(Spoilt(*bad), loader())
    assert run.global_step == 8 and not list(tmp_path.glob("failure*"))
    assert f"by step 3: skipped {len({0, 1, 2}.intersection(bad))} in a row" in caplog.text


def test_a_row_that_goes_on_when_it_is_read_stops_the_run(tmp_path):
    with pytest.raises(ValueError, match="at step 3, the last of 2 in a row"):
        trainer(tmp_path, 8, [GradientNorm(), Later(1)], log_every_n_steps=4).fit(Spoilt(2, 3), loader())
    assert load_failure(tmp_path / "failure-00000003-0.pt").batches[0].step == 3


def test_no_process_raises_before_all_have_kept_their_batch(tmp_path, monkeypatch):
    """The first one's error ends the others at once."""
    run = trainer(tmp_path, 4, [GradientNorm(), Finite(0)])
    kept: list[list[str]] = []
    monkeypatch.setattr(run.strategy, "barrier", lambda *_: kept.append([each.name for each in tmp_path.iterdir()]))
    with pytest.raises(ValueError, match="at step 1,"):
        run.fit(Spoilt(1), loader())
    assert ["failure-00000001-0.pt"] in kept


def test_one_micro_batch_spoils_its_step_and_all_of_them_are_kept(tmp_path):
    with pytest.raises(ValueError, match="at step 1,"):
        trainer(tmp_path, 4, [GradientNorm(), Finite(0)], accumulate_grad_batches=3).fit(Spoilt(4), loader())
    assert [batch.step for batch in load_failure(tmp_path / "failure-00000001-0.pt").batches] == [3, 4, 5]


def test_the_count_goes_with_the_checkpoint():
    first, second = Finite(2), Finite(2)
    first._skipped = torch.tensor(2)
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == {"skipped": 2}


def test_a_batch_of_latents_comes_back_whole(tmp_path):
    posterior = Posterior(torch.ones(2, 4, 1, 1), torch.zeros(2, 4, 1, 1))
    places = torch.arange(2)
    batch = LatentBatch(posterior, places, places, places, 7, Prompts(label=places, caption=("a", "고양이")))
    save_failure(tmp_path / "failure.pt", Failure(7, (batch,), {"w": torch.ones(1)}))
    [again] = load_failure(tmp_path / "failure.pt").batches
    assert torch.equal(again.posterior.mean, posterior.mean) and torch.equal(again.prompts.label, places)
    assert (again.step, again.prompts.caption) == (7, ("a", "고양이"))


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="max_skipped=-1"):
        Finite(-1)

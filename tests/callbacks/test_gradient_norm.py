import pytest
import torch
from lightning.pytorch import Callback
from trainers import Tiny, loader, trainer

from darkroom.callbacks.gradient_norm import GradientNorm
from darkroom.runs.metrics_file import MetricsFile, read_metrics


class Spy(Callback):
    """Norms as they reached the optimizer."""

    def __init__(self):
        self.norms = []

    def on_train_batch_end(self, trainer, module, *_):
        if trainer.global_step > len(self.norms):
            self.norms.append(torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item())


def logged(folder, steps, *callbacks, **options):
    trainer(folder, steps, list(callbacks), [MetricsFile(folder)], **options).fit(Tiny(), loader())
    return {int(row["step"]): float(row["gradient_norm"]) for row in read_metrics(folder / "metrics.csv")}


def test_the_norm_before_clipping_is_logged_and_the_gradient_is_clipped(tmp_path):
    spy = Spy()
    free = logged(tmp_path / "free", 4, GradientNorm(max_norm=None), spy)
    assert free == {2: pytest.approx(spy.norms[1], rel=1e-5), 4: pytest.approx(spy.norms[3], rel=1e-5)}
    spy = Spy()
    clipped = logged(tmp_path / "clipped", 2, GradientNorm(max_norm=0.1), spy)
    assert clipped[2] > 0.1
    assert spy.norms == pytest.approx([0.1, 0.1], rel=1e-4)


def test_a_norm_below_the_limit_leaves_the_gradient_as_it_is(tmp_path):
    free, limited = Spy(), Spy()
    logged(tmp_path / "free", 3, GradientNorm(max_norm=None), free)
    logged(tmp_path / "limited", 3, GradientNorm(max_norm=1e3), limited)
    assert limited.norms == free.norms


def test_under_accumulation_the_norm_is_of_the_summed_gradient(tmp_path):
    spy = Spy()
    norms = logged(tmp_path, 2, GradientNorm(max_norm=None), spy, accumulate_grad_batches=3)
    assert norms == {2: pytest.approx(spy.norms[1], rel=1e-5)}


def test_clipping_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"trainer.gradient_clip_val=0.5 would clip a second time"):
        trainer(tmp_path, 1, [GradientNorm()], gradient_clip_val=0.5).fit(Tiny(), loader())
    with pytest.raises(ValueError, match="max_norm=-1"):
        GradientNorm(max_norm=-1.0)

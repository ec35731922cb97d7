"""What callbacks declare can be watched beside what the stage does; anything else is refused."""

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.commands.watched import refuse_unlogged


class Distance(Callback):
    metric_names = ("val/fd_squeezenet", "train/fd_squeezenet")


def refuse(monitor, *callbacks):
    watching = [*callbacks, Checkpoints(monitor=monitor)]
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    refuse_unlogged(Trainer(callbacks=watching, **quiet), LightningModule())


@pytest.mark.parametrize("monitor", ["val/fd_squeezenet", "train/fd_squeezenet", None])
def test_what_a_callback_declares_can_be_watched_and_nothing_need_be(monitor):
    refuse(monitor, Distance())


@pytest.mark.parametrize(("others", "end"), [([], "metric_names"), ([Distance()], "did you mean val/fd_squeezenet?")])
def test_what_nothing_declares_is_refused_with_the_nearest_name(others, end):
    with pytest.raises(ValueError, match=r"^callback\.checkpoints\.monitor=val/fd_squeezent: ") as refused:
        refuse("val/fd_squeezent", *others)
    assert str(refused.value).endswith(end)

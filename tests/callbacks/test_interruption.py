# Lightning hands every hook all of its arguments, wanted or not.
# ruff: noqa: ARG002

import os
import signal

import pytest
from lightning.pytorch import Callback
from trainers import Tiny, loader, trainer

from darkroom.callbacks.checkpoints import Checkpoints
from darkroom.callbacks.interruption import Interruption, Stopped
from darkroom.callbacks.summary import Summary
from darkroom.runs.folder import Run
from darkroom.runs.metrics_file import MetricsFile


@pytest.fixture(autouse=True)
def _heeded():
    """Tests may run in the background of a shell, which has them ignore Ctrl-C, as a training then does too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Sender(Callback):
    """Sends signals at the end of a batch."""

    def __init__(self, *signals, batch=2):
        self.signals, self.batch = signals, batch

    def on_train_batch_end(self, trainer, module, outputs, batch, place):
        for each in self.signals if place == self.batch else ():
            os.kill(os.getpid(), each)


def interrupted(folder, steps, *callbacks, **options):
    """Trains until it is stopped, which must be; the module and how it was stopped."""
    own, module = Interruption(), Tiny()
    with pytest.raises(Stopped) as stop, own.listening():
        trainer(folder, steps, [*callbacks, own], [MetricsFile(folder)], **options).fit(module, loader())
    return module, stop.value


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_step_is_finished_saved_and_counted(tmp_path, number, code):
    before = signal.getsignal(number)
    module, stop = interrupted(tmp_path, 9, Sender(number), Summary())
    assert module.seen == [0, 1, 2]
    assert (stop.code, stop.signal, stop.at_once) == (code, number, False)
    assert [path.name for path in Run(tmp_path).checkpoints.iterdir()] == ["step-00000003.ckpt"]
    summary = Run(tmp_path).summary
    assert (summary["step"], summary["pictures"], summary["finished"]) == (3, 12, False)
    assert signal.getsignal(number) is before


def test_under_accumulation_the_whole_step_is_finished(tmp_path):
    module, _ = interrupted(tmp_path, 9, Sender(signal.SIGTERM, batch=3), accumulate_grad_batches=3)
    assert module.seen == [0, 1, 2, 3, 4, 5]
    assert [path.name for path in Run(tmp_path).checkpoints.iterdir()] == ["step-00000002.ckpt"]


def test_a_second_signal_stops_at_once(tmp_path):
    module, stop = interrupted(tmp_path, 9, Sender(signal.SIGINT, signal.SIGTERM))
    assert module.seen == [0, 1, 2]
    assert (stop.code, stop.at_once) == (143, True)
    assert not Run(tmp_path).checkpoints.exists()


def test_before_the_first_step_a_signal_stops_at_once(tmp_path):
    class Early(Callback):
        def setup(self, trainer, module, stage):
            os.kill(os.getpid(), signal.SIGTERM)

    module, stop = interrupted(tmp_path, 9, Early())
    assert (module.seen, stop.at_once) == ([], True)


def test_a_signal_in_the_last_step_lets_the_training_end(tmp_path):
    module, stop = interrupted(tmp_path, 3, Sender(signal.SIGTERM), Summary())
    assert module.seen == [0, 1, 2]
    assert (stop.code, stop.at_once) == (143, False)
    assert Run(tmp_path).summary["finished"] is True


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        own, module = Interruption(), Tiny()
        with own.listening():
            trainer(tmp_path, 4, [Sender(signal.SIGINT), own]).fit(module, loader())
        assert module.seen == [0, 1, 2, 3]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_during_the_best_validation_keeps_it(tmp_path):
    class Validated(Callback):
        def on_validation_end(self, trainer, module):
            os.kill(os.getpid(), signal.SIGTERM)

    own, run = Interruption(), Run(tmp_path)
    callbacks = [Validated(), own, Checkpoints(100, monitor="val/loss", mode="min")]
    options = {"limit_val_batches": 1, "val_check_interval": 3, "check_val_every_n_epoch": None}
    options["num_sanity_val_steps"] = 0
    with pytest.raises(Stopped), own.listening():
        trainer(tmp_path, 9, callbacks, enable_checkpointing=True, **options).fit(Tiny(), loader(), loader())
    assert run.latest() == run.best()
    assert run.best_record["checkpoint"] == "step-00000003.ckpt"


def test_a_signal_that_comes_while_processes_ask_each_other_is_not_lost(tmp_path, monkeypatch):
    def reduce(number, **_):
        if not asked:
            os.kill(os.getpid(), signal.SIGTERM)
        asked.append(int(number))
        return number

    own, engine, asked = Interruption(), trainer(tmp_path, 9, []), []
    monkeypatch.setattr(type(engine), "world_size", 2)
    monkeypatch.setattr(engine.strategy, "reduce", reduce)
    with pytest.raises(Stopped), own.listening():
        own.on_train_start(engine, Tiny())
        assert [own._agreed(engine), own._agreed(engine)] == [0, signal.SIGTERM]
    assert asked == [0, signal.SIGTERM]

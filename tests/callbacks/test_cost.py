"""What a measurement may take of a training's time."""

from types import SimpleNamespace

import pytest
from lightning.pytorch import Trainer
from trainers import Tiny, loader, trainer

from darkroom.callbacks import cost
from darkroom.callbacks.samples import Samples
from darkroom.runs.checkpoint_io import AtomicCheckpointIO


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: now.seconds)
    return now


class At(Trainer):
    """At ``step`` of ten; ``decided`` is what the first process answers, where that is another."""

    global_step, max_steps, strategy = 5, 10, None

    def __init__(self, step=5, decided=None):
        self.global_step = step
        answer = (lambda own: own) if decided is None else (lambda _: decided)
        self.strategy = SimpleNamespace(broadcast=answer)


def measured(counter, clock, seconds):
    with counter.counted():
        clock.seconds += seconds


def test_the_share_is_of_all_parts_of_a_resumed_run(clock):
    first = cost.Cost(None)
    first.start()
    clock.seconds += 30
    measured(first, clock, 10)
    assert first.share == pytest.approx(10 / 40)
    again = cost.Cost(None)
    again.load_state_dict(first.state_dict())
    clock.seconds += 1000  # nobody trains
    again.start()
    clock.seconds += 10
    measured(again, clock, 10)
    assert again.share == pytest.approx(20 / 60)


def test_a_bound_leaves_out_what_would_break_it_and_never_the_last(clock):
    counter = cost.Cost(0.2)
    counter.start()
    assert counter.allows(At())
    clock.seconds += 90
    measured(counter, clock, 10)
    assert counter.allows(At())  # 20 of 100
    measured(counter, clock, 15)
    assert not counter.allows(At())  # 40 of 115
    assert counter.allows(At(step=10))


def test_a_measurement_in_pieces_is_as_long_as_all_of_them(clock):
    counter, shares = cost.Cost(0.1), []
    counter.start()
    for _ in range(50):
        clock.seconds += 40
        if counter.allows(At()):
            for seconds in (5, 5, 1):  # two batches, and what is made of them
                measured(counter, clock, seconds)
            shares.append(counter.share)
    assert max(shares[1:]) <= 0.1 < shares[0]  # of the first nobody knows how long it will be
    assert shares[-1] > 0.08


def test_a_resumed_run_knows_how_long_the_last_was(clock):
    first, again = cost.Cost(0.2), cost.Cost(0.2)
    clock.seconds += 85
    assert first.allows(At())
    measured(first, clock, 8)
    measured(first, clock, 7)  # 15 of 100, and 30 with one more
    again.load_state_dict(first.state_dict())
    again.start()
    assert not first.allows(At())
    assert not again.allows(At())


def test_the_first_process_decides_for_all(clock):  # noqa: ARG001
    assert not cost.Cost(None).allows(At(decided=False))


def test_without_a_bound_everything_is_measured(clock):
    counter = cost.Cost(None)
    measured(counter, clock, 1e6)
    assert counter.allows(At())


@pytest.mark.parametrize("bound", [0, -0.1, 1.5])
def test_a_bound_that_is_no_share_is_refused(bound):
    with pytest.raises(ValueError, match="max_share"):
        cost.Cost(bound)


@pytest.mark.parametrize("kept", [True, False])
def test_a_checkpoint_keeps_the_cost_and_one_of_before_without_it_is_resumed(tmp_path, kept):
    first, again, path = Samples(), Samples(), tmp_path / "step-2.ckpt"
    engine = trainer(tmp_path, 2, [first])
    engine.fit(Tiny(), loader())
    first.load_state_dict({"cost": {"spent": 5.0, "last": 1.0, "elapsed": 1000.0}})
    engine.save_checkpoint(path)
    if not kept:
        held = AtomicCheckpointIO().load_checkpoint(path)
        del held["callbacks"]["Samples"]
        AtomicCheckpointIO().save_checkpoint(held, path)
    trainer(tmp_path, 3, [again]).fit(Tiny(), loader(2), ckpt_path=path, weights_only=True)
    found = again.state_dict()["cost"]
    assert (found["spent"], found["last"]) == ((5.0, 1.0) if kept else (0.0, 0.0))
    assert (found["elapsed"] > 1000) == kept

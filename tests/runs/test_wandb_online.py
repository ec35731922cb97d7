"""W&B's network is lost in mid-run, or was never there: nothing waits for it but the beginning and the end, briefly."""

import statistics
import time
from contextlib import suppress

import pytest
import wandb
from fake_wandb import FakeWandb

from darkroom.runs.wandb_pieces import offline_pieces, read_piece
from darkroom.runs.wandb_run import WandbRun


@pytest.fixture
def fake(monkeypatch):
    """W&B in this process as if it were new, with a key and a server of ours."""
    fake = FakeWandb()
    monkeypatch.delenv("WANDB_MODE")
    for name, value in {**fake.environment, "WANDB_INIT_TIMEOUT": "3", "WANDB_FINISH_TIMEOUT": "3"}.items():
        monkeypatch.setenv(name, value)
    wandb.teardown()  # it reads the environment once
    yield fake
    fake.come_back()
    with suppress(TimeoutError):
        wandb.finish()  # after a test that failed
    wandb.teardown()


def log(logger, *steps):
    for step in range(*steps):
        logger.log_metrics({"train/loss": 1.0 * step}, step=step - 1)


def seconds(call, *arguments):
    since = time.monotonic()
    call(*arguments)
    return time.monotonic() - since


def steps(rows):
    return [row["trainer/global_step"] for row in rows]


def wait_until_streaming(fake):
    end = time.monotonic() + 60
    while not fake.streamed:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_online_run_is_gone_on_with_as_the_same_run(tmp_path, fake, monkeypatch):
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "60")
    for part in ((1, 21), (11, 31)):
        logger = WandbRun(tmp_path / "online")
        log(logger, *part)
        logger.close()
    assert steps(fake.rows("online")) == list(range(1, 31))
    assert offline_pieces(tmp_path / "online") == []


@pytest.mark.parametrize("lost", [FakeWandb.hang, FakeWandb.refuse])
def test_what_is_logged_after_the_network_is_lost_waits_for_nothing_and_is_kept(tmp_path, fake, caplog, lost):
    logger = WandbRun(tmp_path / "lost")
    before = [seconds(log, logger, step, step + 1) for step in range(1, 11)]
    wait_until_streaming(fake)
    lost(fake)
    after = [seconds(log, logger, step, step + 1) for step in range(11, 211)]
    assert max(after) < 2  # far below any time that a request waits
    assert statistics.median(after) < 3 * statistics.median(before)
    assert seconds(logger.close) < 30
    assert len(fake.rows("lost")) <= 10
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("darkroom")]
    (piece,) = (tmp_path / "lost" / "wandb").glob("run-*")
    assert line.endswith(f"wandb sync --no-skip-online {piece}")
    assert steps(read_piece(piece)) == list(range(1, 211))


def test_a_network_that_comes_back_gets_everything(tmp_path, fake, caplog, monkeypatch):
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "60")
    logger = WandbRun(tmp_path / "back")
    log(logger, 1, 11)
    fake.hang()
    log(logger, 11, 31)
    fake.come_back()
    logger.close()
    assert steps(fake.rows("back")) == list(range(1, 31))
    assert not [record for record in caplog.records if record.name.startswith("darkroom")]


@pytest.mark.parametrize("lost", [FakeWandb.refuse, pytest.param(FakeWandb.hang, marks=pytest.mark.slow)])
def test_a_run_that_begins_without_a_network_is_offline_soon(tmp_path, fake, caplog, lost):
    lost(fake)
    begun = time.monotonic()
    logger = WandbRun(tmp_path / "alone")
    logger.log_hyperparams({"seed": 0})
    assert time.monotonic() - begun < 40
    log(logger, 1, 11)
    logger.close()
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("darkroom")]
    assert line.startswith("Weights & Biases is not reached, so this run is offline: ")
    (piece,) = offline_pieces(tmp_path / "alone")
    assert steps(read_piece(piece)) == list(range(1, 11))

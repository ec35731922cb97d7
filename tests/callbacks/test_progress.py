import io
import re
import time

import pytest
from rich.console import Console
from trainers import Tiny, loader, trainer

from darkroom.callbacks.progress import StepProgress, clock


def shown(folder, *, terminal, **options):
    text = io.StringIO()
    bar = StepProgress(console=Console(file=text, force_terminal=terminal, width=120), **options)
    trainer(folder, 6, [bar], enable_progress_bar=True).fit(Tiny(), loader())
    return text.getvalue()


def test_off_a_terminal_there_are_few_plain_lines(tmp_path):
    text = shown(tmp_path, terminal=False, line_seconds=3600.0)
    assert "\x1b" not in text
    lines = text.strip().split("\n")
    assert len(lines) == 2  # the first step and the end
    pattern = r"trained: step 6/6, [\d.]+ steps/s, \d+ pictures/s, 0:00 left, train/loss [\d.]+"
    assert re.fullmatch(pattern, lines[-1])


def test_speeds_are_of_the_training_alone_and_the_last_validation_is_announced(tmp_path):
    text = io.StringIO()
    bar = StepProgress(console=Console(file=text, force_terminal=False, width=120), line_seconds=3600.0)

    class Slow(Tiny):
        def on_validation_epoch_end(self):
            time.sleep(0.5)

    trainer(tmp_path, 4, [bar], enable_progress_bar=True, val_check_interval=2, limit_val_batches=1).fit(
        Slow(), loader(), loader()
    )
    *_, last, end = text.getvalue().strip().split("\n")
    assert last.startswith("validating: step 4/4, ")
    assert float(re.search(r"([\d.]+) steps/s", end)[1]) > 4 / 0.5


def test_on_a_terminal_there_is_a_bar_and_the_cursor_comes_back(tmp_path):
    text = shown(tmp_path, terminal=True)
    assert "6/6" in text
    assert "steps/s" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599.0, "59:59"), (3723.0, "1:02:03")])
def test_remaining_time_reads_like_a_clock(seconds, text):
    assert clock(seconds) == text

"""What a log does where it cannot be written."""

import logging
from pathlib import Path

import pytest

from darkroom.commands.console import LogFile

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full, whose every writing fails")
def test_a_log_on_a_full_disk_leaves_the_terminal_alone_and_a_mistake_in_a_line_is_told(capsys):
    handler = LogFile(FULL, delay=True)
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%d pictures", (3,), None)
    handler.emit(record)
    assert not capsys.readouterr().err
    record.args = ("three",)
    handler.emit(record)
    assert "not str" in capsys.readouterr().err

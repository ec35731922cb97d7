"""What a process leaves for others to join, and that it leaves nothing behind."""

import os
import sys
from pathlib import Path

from darkroom.commands.processes import joined
from darkroom.runs.folder import Run


def test_inside_the_command_line_is_that_of_the_run_and_afterwards_as_before(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("MASTER_PORT", "1")
    before = list(sys.argv)
    with joined(Run(Path("/logs, [old]/x")), ["mylab", "other"]):
        assert sys.argv == [before[0], "resume=/logs, [old]/x", "packages=[mylab,other]"]
        os.environ.update(LOCAL_RANK="0", MASTER_PORT="2")  # as Lightning does when it starts the others
    assert sys.argv == before
    assert "LOCAL_RANK" not in os.environ
    assert os.environ["MASTER_PORT"] == "1"

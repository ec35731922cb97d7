"""The lock of a training: held by one process, lifted by its end, and in nobody's way else."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from darkroom.runs.lock import alone

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from darkroom.runs.lock import alone
with alone(Path(sys.argv[1])):
    print(subprocess.Popen(["sleep", "60"], close_fds=False).pid, flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed_whatever_that_has_started(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(ValueError, match=f"{tmp_path}: is being trained by another process"), alone(tmp_path):
            pass
        holder.kill()
        holder.wait()
        os.kill(child, 0)  # it lives
        with alone(tmp_path):
            pass
    finally:
        holder.kill()
        os.kill(child, signal.SIGKILL)


def test_the_next_job_of_a_sweep_may_train_where_one_has_failed(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), alone(tmp_path):
            raise KeyError


@pytest.mark.parametrize("rank", ["LOCAL_RANK", "NODE_RANK"])
def test_processes_of_one_training_share_it(tmp_path, monkeypatch, rank):
    with alone(tmp_path):
        monkeypatch.setenv(rank, "1")
        with alone(tmp_path):
            pass
        monkeypatch.setenv(rank, "0")
        with pytest.raises(ValueError, match="another process"), alone(tmp_path):
            pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_files_cannot_be_locked_a_training_goes_on_without(tmp_path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    with alone(tmp_path):
        (tmp_path / "trained").touch()
    assert (tmp_path / "trained").exists()

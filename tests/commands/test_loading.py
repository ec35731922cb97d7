"""The garbage collector rests while modules load, and passes over what was loaded ever after."""

import gc
import subprocess
import sys

import pytest

from darkroom.commands.loading import uncollected

TWICE = """
import gc, weakref
from darkroom.commands.loading import loading

class Job: ...

def left_behind():
    job = Job()
    job.itself = job
    return weakref.ref(job)

with loading():
    assert not gc.isenabled()
    first = left_behind()
assert gc.isenabled() and gc.get_freeze_count() > 0
with loading():
    assert gc.isenabled()
    second = left_behind()
gc.collect()
print(first() is None, second() is None)
"""


def test_what_a_first_job_loads_is_passed_over_and_what_later_jobs_leave_is_not():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False True\n", "")


def test_collection_goes_on_after_a_mistake_and_stays_off_where_it_was():
    assert gc.isenabled()
    with pytest.raises(ValueError, match="mistake"), uncollected():
        assert not gc.isenabled()
        raise ValueError("mistake")
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

"""What another process answers, and how it is told what it has met."""

import os
import signal
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from darkroom.build import Faults, build
from darkroom.commands import helpers as module
from darkroom.commands.helpers import Helper, helping
from darkroom.generation.generator import NotFinite


def looking():
    return look


def look(given, key):
    """What was given, with a last row that says whether it came by shared memory; KeyError but for "doubled"."""
    factor = {"doubled": 2.0}[key]
    return torch.cat([factor * given, torch.full_like(given[:1], given.is_shared())])


def drawing():
    return draw


def draw(number):
    if number < 0:
        raise NotFinite(f"{number} is no sample")
    return torch.tensor(number)


def unloadable():
    raise OSError(2, "no such file", "lib.so")


class Unloadable:
    """What an import of the process fails for as it reads it."""

    def __reduce__(self):
        return unloadable, ()

    def __call__(self):
        return look


def building():
    return build({"_target_": "builtins.eval"})


@pytest.fixture
def helper():
    helper = Helper(1, devices=2)
    yield helper
    helper.end()


def test_another_process_answers_without_shared_memory_through_a_ctrl_c_and_shows_the_traceback_of_our_mistake(helper):
    os.kill(helper._process.pid, signal.SIGINT)  # long before it has imported torch
    helper.learn(looking)
    given = torch.rand(3, 400_000)  # more than a pipe holds
    helper.ask(given, "doubled")
    found = helper.answer()
    assert not found.is_shared()
    assert torch.equal(found, torch.cat([2 * given, torch.zeros(1, 400_000)]))
    helper.ask(given, "other")
    with pytest.raises(RuntimeError, match=r"(?s)in the process of device 1:.*in look.*KeyError: 'other'"):
        helper.answer()
    helper.ask(given, "doubled")
    with pytest.raises(ValueError, match=r"process of device 1 has ended with exit code 0"):
        helper.answer()


def test_samples_that_run_away_end_no_process_and_what_nobody_came_for_is_forgotten(helper):
    helper.learn(drawing)
    helper.ask(-1)
    with pytest.raises(NotFinite, match=r"^-1 is no sample$"):
        helper.answer()
    for given_up in (-2, 3):
        helper.ask(given_up)
        helper.ask(5)
        assert helper.answer() == 5
    helper.ask(6)
    helper.learn(drawing)
    helper.ask(7)
    assert helper.answer() == 7


def test_a_mistake_in_the_input_is_told_in_its_words_alone(helper):
    helper.learn(building)
    helper.ask()
    with pytest.raises(Faults, match=r"^_target_: builtins\.eval lies outside the packages"):
        helper.answer()


def test_what_a_process_meets_in_an_import_is_told(helper):
    helper.learn(Unloadable())
    with pytest.raises(Faults, match=r"^lib\.so: no such file$"):
        helper.answer()


def test_a_process_that_is_killed_is_told(helper):
    helper._process.kill()
    helper.ask()
    with pytest.raises(ValueError, match=r"process of device 1 has ended by SIGKILL"):
        helper.answer()


def test_where_one_cannot_be_started_the_others_end_and_the_threads_are_what_they_were(monkeypatch):
    ended = []

    def second_fails(number, **_):
        if number == 2:
            raise OSError("no more processes")
        return SimpleNamespace(end=lambda: ended.append(number))

    monkeypatch.setattr(module, "Helper", second_fails)
    monkeypatch.setattr(module, "_threads", lambda _: 3)
    before = torch.get_num_threads()
    with pytest.raises(OSError, match="no more"), helping(OmegaConf.create({"devices": 3})):
        pass
    assert (ended, torch.get_num_threads()) == ([1], before)

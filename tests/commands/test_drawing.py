"""What several devices draw is what one draws, and what ends one of their processes is told in a line."""

from functools import partial

import pytest
import torch
from omegaconf import OmegaConf
from trained import asked, diffusion_run

from darkroom.commands.drawing import _drawing, on_devices
from darkroom.commands.helpers import Helper
from darkroom.commands.measure import measure
from darkroom.contracts import Prompts
from darkroom.keys import keys

CAPTION = "a red circle above a small blue square"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return diffusion_run(tmp_path_factory.mktemp("drawing") / "run")


def test_pictures_of_two_devices_are_those_of_one_to_the_bit_and_in_order(run):
    start = keys(seed=0, purpose="test", places=range(7))
    prompts = Prompts(caption=(CAPTION,) * 3 + ("",) * 4)
    drawn = []
    for devices in (1, 2):
        config = asked("evaluate", f"run={run.path}", f"devices={devices}")
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # as each of two has on two cores
        with on_devices(run, config) as generator:
            drawn.append(list(generator(prompts, start, batch_size=3)))
        torch.set_num_threads(before)
    assert [len(batch) for batch in drawn[1]] == [3, 3, 1]
    assert all(torch.equal(*pair) for pair in zip(*drawn, strict=True))


def test_a_run_is_measured_alike_on_two_devices(run, tmp_path):
    one, two = (
        measure(asked("evaluate", f"run={run.path}", "n=5", "batch_size=2", f"out={tmp_path}/{n}.json", f"devices={n}"))
        for n in (1, 2)
    )
    values, same = ({name: number["value"] for name, number in each["metrics"].items()} for each in (one, two))
    del values["samples_per_second"], same["samples_per_second"]
    assert values == pytest.approx(same, rel=1e-6)


@pytest.fixture
def helper(run):
    helper = Helper(1, devices=2)
    helper.learn(partial(_drawing, str(run.path), OmegaConf.to_container(asked("evaluate", f"run={run.path}"))))
    yield helper
    helper.end()


def test_what_a_process_meets_is_told_in_its_words(helper):
    helper.ask(Prompts(), keys(seed=0, purpose="test", places=range(2)), None)
    with pytest.raises(ValueError, match="set prompt="):
        helper.answer()


def test_a_process_that_is_killed_is_told(helper):
    helper._process.kill()
    helper.ask(Prompts(caption=(CAPTION,)), keys(seed=0, purpose="test", places=range(1)), None)
    with pytest.raises(ValueError, match="process of device 1 has ended"):
        helper.answer()

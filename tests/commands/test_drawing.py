"""What several devices draw is what one draws."""

import pytest
import torch
from trained import asked, diffusion_run

from darkroom.commands.drawing import on_devices
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

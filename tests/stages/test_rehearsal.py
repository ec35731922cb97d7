"""A network that does not fit its latents is told so before it has weights."""

from functools import partial

import pytest
import torch

from darkroom.contracts import ConditionSpec
from darkroom.networks.dit import DiT
from darkroom.networks.framed import Framed
from darkroom.stages.rehearsal import rehearse

SMALL = partial(DiT, width=32, depth=1, heads=2, patch=3)
WORDS = ConditionSpec(tokens=16, vector=16)


@pytest.mark.parametrize("network", [SMALL, partial(Framed, inner=SMALL, local_width=8)])
def test_a_patch_that_does_not_divide_the_latent_is_named(network):
    rehearse(network, (4, 6, 6), WORDS)
    with pytest.raises(ValueError, match=r"patch=3 of network .*network\.inner.* does not divide latents of 8 x 8"):
        rehearse(network, (4, 8, 8), WORDS)


def test_it_draws_no_random_number():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    rehearse(SMALL, (4, 6, 6), ConditionSpec())
    assert torch.equal(torch.rand(3), expected)

"""A network framed by convolutions."""

from functools import partial

import pytest
import torch

from darkroom.contracts import Condition, ConditionSpec
from darkroom.keys import keys
from darkroom.networks.dit import DiT
from darkroom.networks.framed import Framed, LocalBlock


def network(**changed) -> Framed:
    torch.manual_seed(0)
    inner = partial(DiT, width=32, depth=1, heads=2, patch=2)
    return Framed(3, ConditionSpec(tokens=8, vector=8), inner=inner, **{"local_width": 16, "local_blocks": 1} | changed)


def inputs() -> tuple[torch.Tensor, torch.Tensor, Condition]:
    draws = keys(seed=0, purpose="test", places=range(2))
    condition = Condition(
        tokens=draws.fold("tokens").normal((5, 8)),
        mask=torch.ones(2, 5, dtype=torch.bool),
        vector=draws.fold("vector").normal((8,)),
    )
    return draws.normal((3, 8, 8)), torch.tensor([100.0, 900.0]), condition


def woken(net: Framed) -> Framed:
    """Nothing at zero any more."""
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.copy_(0.1 * keys(seed=1, purpose="wake", places=[0]).normal(parameter.shape)[0])
    return net


def test_it_predicts_zero_at_first():
    assert not network()(*inputs()).any()


def test_a_block_is_the_identity_at_first():
    x = inputs()[0].repeat(1, 8, 1, 1)[:, :16]
    torch.manual_seed(0)
    assert torch.equal(LocalBlock(16, 32)(x, torch.ones(2, 32)), x)


def test_time_and_condition_reach_the_prediction():
    net, (x, time, condition) = woken(network()), inputs()
    answer = net(x, time, condition)
    assert answer.shape == x.shape
    assert not torch.allclose(answer, net(x, time + 50, condition))
    assert not torch.allclose(answer, net(x, time, Condition(condition.tokens, condition.mask, condition.vector + 1)))
    assert not torch.allclose(answer, net(x, time, Condition(condition.tokens + 1, condition.mask, condition.vector)))


def test_every_parameter_learns_once_nothing_is_zero():
    net = woken(network())
    net(*inputs()).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in net.parameters())


def test_a_width_that_the_groups_do_not_divide_is_named():
    with pytest.raises(ValueError, match="local_width=12"):
        network(local_width=12)

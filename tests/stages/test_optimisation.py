import pytest
import torch
from torch import nn

from darkroom.conditioning.class_label import ClassLabel
from darkroom.contracts import ConditionSpec
from darkroom.networks.dit import DiT
from darkroom.stages.optimisation import parameter_groups


def names(module):
    """The names in the decayed group and in the other."""
    name_of = {id(p): name for name, p in module.named_parameters()}
    return [{name_of[id(p)] for p in group["params"]} for group in parameter_groups(module)]


def test_matrices_are_decayed_and_gains_biases_and_embeddings_are_not():
    network = DiT(3, ConditionSpec(tokens=8, vector=8), width=16, depth=1, heads=2)
    decayed, spared = names(nn.ModuleDict({"network": network, "classes": ClassLabel(5, 8)}))
    assert decayed == {
        name for name, p in network.named_parameters(prefix="network") if name.endswith("weight") and p.ndim == 2
    }
    assert "classes.embedding.weight" in spared and "network.blocks.0.attention.q_norm.gain" in spared
    assert all(name.endswith(("bias", "gain", "embedding.weight")) for name in spared)


def test_a_table_of_places_is_an_embedding():
    class Tower(nn.Module):
        def __init__(self):
            super().__init__()
            self.positional_embedding = nn.Parameter(torch.zeros(4, 8))
            self.projection = nn.Parameter(torch.zeros(8, 8))

    assert names(Tower()) == [{"projection"}, {"positional_embedding"}]


def test_what_is_frozen_is_in_no_group_and_an_empty_group_is_left_out():
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2))
    module[1].requires_grad_(False)
    assert names(module) == [{"0.weight"}]


@pytest.mark.parametrize("factory", [torch.optim.AdamW, torch.optim.SGD])
def test_only_the_first_group_shrinks(factory):
    module = nn.Linear(3, 3)
    nn.init.ones_(module.weight), nn.init.ones_(module.bias)
    optimizer = factory(parameter_groups(module), lr=0.1, weight_decay=0.5)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(module.weight, torch.tensor(0.95)) and torch.equal(module.bias, torch.ones(3))

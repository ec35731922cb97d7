"""Compiling by regions."""

import pytest
import torch
from torch import nn

from darkroom.stages.compilation import compile_regions


class Stack(nn.Module):
    def __init__(self, *widths: int):
        super().__init__()
        self.first = nn.Linear(widths[0], widths[0])
        self.blocks = nn.ModuleList(nn.Linear(width, width) for width in widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(torch.tanh(x))
        return x


@pytest.fixture
def graphs():
    """The graphs that were compiled since the test began."""
    torch._dynamo.reset()
    found = []

    def backend(graph, _inputs):
        found.append(graph)
        return graph.forward

    yield found, backend
    torch._dynamo.reset()


def test_alike_blocks_are_compiled_once_and_answer_as_before(graphs):
    found, backend = graphs
    torch.manual_seed(0)
    network, x = Stack(8, 8, 8, 8), torch.ones(2, 8)
    wanted, names = network(x), list(network.state_dict())
    compile_regions(network, backend=backend)
    torch.testing.assert_close(network(x), wanted)
    assert len(found) == 1
    assert list(network.state_dict()) == names


def test_what_stands_there_once_beside_a_stack_is_left_as_it_is(graphs):
    found, backend = graphs
    network = nn.ModuleDict({"before": nn.ModuleList([nn.Linear(8, 8)]), "stack": Stack(8, 8)})
    compile_regions(network, backend=backend)
    network["before"][0](torch.ones(2, 8))
    assert found == []
    network["stack"](torch.ones(2, 8))
    assert len(found) == 1


def test_a_network_without_repetition_is_compiled_as_a_whole(graphs):
    found, backend = graphs
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    compile_regions(network, backend=backend)
    network(torch.ones(3, 4))
    assert len(found) == 1
    assert sum(node.op == "call_function" or node.op == "call_module" for node in found[0].graph.nodes) == 3

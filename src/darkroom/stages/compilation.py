"""Compiling a network by its regions."""

from typing import Any

from torch import nn


def compile_regions(network: nn.Module, **options: Any) -> None:
    """Compiles in place what a network repeats, the members of its longer ModuleLists; all of it where none repeats.

    Blocks of one class and one shape share their code, so that a deep network is compiled in the time of a shallow one.
    What stands there once is not worth its compiling: the demo's transformer blocks need 30 s with nothing cached and
    take half of the time then, its two convolutional blocks need 6 s more and are as slow as before. The names of the
    weights stay as they are. ``options`` go to ``torch.compile``.
    """
    lists = [part for part in network.modules() if isinstance(part, nn.ModuleList) and len(part) > 1]
    blocks = [block for part in lists for block in part]
    for region in blocks or [network]:
        region.compile(dynamic=False, **options)  # training batches are of one size; else code would serve any

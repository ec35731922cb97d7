"""Inception v3 as TensorFlow's graph of 2015-12-05 has it: the network of FID, KID and the Inception score.

Torchvision's network of that name, built and trained anew, is another one: it has 1,000 classes, counts the padding of
its average pools, and pools by average in its last block too (evaluation.md 2). What is alike is torchvision's.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import inception as torchvisions

_CLASSES = 1008  # ImageNet's 1,000, and eight that the graph's training left unused
_SPATIAL = 7  # channels of a layer of 192, which make about as many numbers as pool_3 has (Nash et al. 2021)


class Inception(nn.Module):
    """Pictures in [-1, 1) of 299 pixels to the 2,048 averages of its last maps (``pool_3``); untrained as built.

    Names of weights are those of ``pt_inception-2015-12-05-6726825d.pth``, which pytorch-fid and torch-fidelity read.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks = [torchvisions.BasicConv2d, _A, torchvisions.InceptionB, _C, torchvisions.InceptionD, _E]
        network = torchvisions.Inception3(
            num_classes=_CLASSES,
            aux_logits=False,
            inception_blocks=[*blocks, torchvisions.InceptionAux],
            init_weights=False,  # seconds, and a file overwrites them
        )
        network.Mixed_7c = _LastE(2048)
        layers = dict(network.named_children())
        self.fc = layers.pop("fc")
        del layers["dropout"]
        self._layers = tuple(layers)
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, picture: Float[Tensor, "b 3 299 299"]) -> Float[Tensor, "b 2048"]:
        return self._through(self._layers, picture).flatten(1)

    def spatial(self, picture: Float[Tensor, "b 3 299 299"]) -> Float[Tensor, "b 2023"]:
        """The first 7 channels of ``mixed_6/conv`` at its 17 x 17 places, in the order of the graph: channels last.

        The graph counts its blocks from ``mixed``, which is ``Mixed_5b`` here.
        """
        before = self._layers[: self._layers.index("Mixed_6d")]
        maps = self._through([*before, "Mixed_6d.branch1x1"], picture)[:, :_SPATIAL]
        return maps.permute(0, 2, 3, 1).flatten(1)

    def logits(self, features: Float[Tensor, "b 2048"]) -> Float[Tensor, "b 1008"]:
        """Of the classes, without the bias, as the Inception score has them; in the precision of ``features``."""
        return features @ self.fc.weight.to(features).T

    def _through(self, layers: Sequence[str], x: Tensor) -> Tensor:
        for name in layers:
            x = self.get_submodule(name)(x)
        return x


class _A(torchvisions.InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(_average(x)),
        ]


class _C(torchvisions.InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return [
            self.branch1x1(x),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(double)),
            self.branch_pool(_average(x)),
        ]


class _E(torchvisions.InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        single, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(single), self.branch3x3_2b(single)], dim=1),
            torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], dim=1),
            self.branch_pool(self._pooled(x)),
        ]

    def _pooled(self, x: Tensor) -> Tensor:
        return _average(x)


class _LastE(_E):
    def _pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)


def _average(x: Tensor) -> Tensor:
    """Over the places of a 3 x 3 window that lie in the map: its border is no zero."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)

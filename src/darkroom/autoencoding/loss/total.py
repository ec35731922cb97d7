"""The loss of an autoencoder: named terms of the config, each with its weight, summed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.contracts import Posterior


@dataclass(frozen=True)
class LossValues:
    """The weighted sum to go down, and every term before its weight, detached, to log by name."""

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


class Loss(nn.Module):
    """Sums terms, each a module ``term(picture, reconstruction, posterior) -> scalar`` with a float ``weight``.

    A mapping, so that an experiment can change one term of the loss it inherits, or drop it by null. Raises ValueError
    where none is left, and where one has the name of the sum.
    """

    def __init__(self, terms: Mapping[str, nn.Module | None] | None) -> None:
        super().__init__()
        self.terms = nn.ModuleDict({name: term for name, term in (terms or {}).items() if term is not None})
        if not self.terms:
            raise ValueError("stage.loss.terms is empty; give at least one term, such as l1")
        if "loss" in self.terms:
            raise ValueError("stage.loss.terms.loss: is what the sum is logged as; give the term another name")

    def forward(
        self, picture: Float[Tensor, "b 3 H W"], reconstruction: Float[Tensor, "b 3 H W"], posterior: Posterior
    ) -> LossValues:
        values = {name: term(picture, reconstruction, posterior) for name, term in self.terms.items()}
        weighted = [cast(float, self.terms[name].weight) * value for name, value in values.items()]
        return LossValues(
            total=torch.stack(weighted).sum(), terms={name: value.detach() for name, value in values.items()}
        )

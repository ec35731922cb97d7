"""Power-function average of weights (Karras et al. 2024, "Analyzing and Improving the Training Dynamics")."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def power_exponent(sigma_rel: float) -> float:
    """gamma of the profile t^gamma whose width is ``sigma_rel`` of the training: 0.05 -> 16.97, 0.10 -> 6.94.

    The largest root of g^3 + 7 g^2 + (16 - s) g + 12 - s with s = sigma_rel^-2. Raises ValueError outside of
    0 .. 0.28, where no exponent is positive.
    """
    if not 0 < sigma_rel < 0.28:
        raise ValueError(f"callback.ema.sigma_rel={sigma_rel} must lie between 0 and 0.28; 0.05 to 0.15 are usual")
    s = sigma_rel**-2
    roots = np.roots([1, 7, 16 - s, 12 - s])
    return float(roots[np.isreal(roots)].real.max())


class PowerAverage:
    """After step n, average <- beta * average + (1 - beta) * weights with beta = (m/n)^(gamma + 1).

    m is the step it was last moved at: the first time copies, so nothing has to be corrected for a start at zero.
    """

    def __init__(self, sigma_rel: float) -> None:
        self._exponent = power_exponent(sigma_rel) + 1
        self.weights: dict[str, Tensor] = {}
        self.step = 0  # it was last moved at

    def start(self, weights: Mapping[str, Tensor]) -> None:
        """Takes a copy of the weights, or moves what was loaded to where they are."""
        start = self.weights or weights
        self.weights = {name: start[name].detach().to(weight).clone() for name, weight in weights.items()}

    def move(self, weights: Mapping[str, Tensor], step: int) -> None:
        """Takes in the weights after ``step``; nothing where it has them."""
        if step == self.step:  # accumulating, or moved by the step itself
            return
        kept = (self.step / step) ** self._exponent
        live = [weight.detach() for weight in weights.values()]
        torch._foreach_lerp_(list(self.weights.values()), live, 1 - kept)
        self.step = step

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights, "step": self.step}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.weights, self.step = dict(state_dict["weights"]), state_dict["step"]

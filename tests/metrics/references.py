"""The features with known distances of evaluation.md, section 8: elementwise from a frozen stream, so to the bit."""

import numpy as np
import torch


def feat(seed, n, d, gain, shift, rho):
    random = np.random.RandomState(seed)
    z = random.standard_normal((n, d))
    f = random.standard_normal((n, 1))
    return torch.from_numpy(((z * (0.5 + np.arange(d) / d) + rho * f) * gain + shift).astype(np.float32))


REFERENCE = feat(101, 2000, 64, 1.0, 0.3, 0.7)
GENERATED = feat(202, 1500, 64, 1.05, 0.36, 0.6)

"""How far a Frechet distance would move with other samples, without drawing any: its first-order error.

The distance is smooth in mean and covariance of the generated features, so its standard error is that of the mean of
what each sample contributes to it (the infinitesimal jackknife, Efron 1982). It costs as much as a few distances, where
a bootstrap wants 200, and is nearer to the spread over fresh sets where these have hardly more samples than features.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.moments import Moments

_NONE = 1e-13  # of the largest eigenvalue: directions that rounding makes up
_ROWS = 4096  # contributions computed at once


def frechet_sd(generated: Float[Tensor, "m d"], own: Moments, reference: Moments) -> float | None:
    """Standard deviation of the distance over sets of ``m`` samples, with the reference fixed; not its bias.

    ``own`` are the moments of ``generated``.

    None where there are no more samples than directions in the reference, for then the distance is no smooth function
    of them. A direction in which the samples do not differ adds nothing.
    """
    factor = _factor(reference.covariance)
    if len(generated) <= factor.shape[1]:
        return None
    # d tr (F' S F)^(1/2) = tr(T dS) / 2, where F F' is the reference's covariance and T = B B' for this B
    roots, vectors = _roots(factor.T @ own.covariance @ factor)
    turned = factor @ vectors / roots.sqrt()
    transport = turned @ turned.T
    quadratic = torch.eye(len(own.mean), dtype=torch.float64) - transport
    linear = 2 * (own.mean - reference.mean)
    parts = [_contributions(rows.double() - own.mean, linear, quadratic) for rows in generated.split(_ROWS)]
    return float(torch.cat(parts).std() / len(generated) ** 0.5)


def _contributions(centred: Tensor, linear: Tensor, quadratic: Tensor) -> Float[Tensor, " b"]:
    return centred @ linear + ((centred @ quadratic) * centred).sum(dim=1)


def _factor(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d r"]:
    """F with F F' = the covariance, with as many columns as it has directions."""
    roots, vectors = _roots(covariance)
    return vectors * roots


def _roots(symmetric: Float[Tensor, "d d"]) -> tuple[Float[Tensor, " r"], Float[Tensor, "d r"]]:
    """Roots of the eigenvalues that are there, and their vectors."""
    eigenvalues, vectors = torch.linalg.eigh(symmetric)
    there = eigenvalues > _NONE * eigenvalues[-1]
    return eigenvalues[there].sqrt(), vectors[:, there]

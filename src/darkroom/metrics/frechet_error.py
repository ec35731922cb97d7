"""How far a Frechet distance would move with other samples, without drawing any.

Where there are more samples than directions it is the first-order error. The distance is smooth in mean and covariance
of the generated features, so its standard error is that of the mean of what each sample contributes to it (the
infinitesimal jackknife, Efron 1982). It costs as much as a few distances, where a bootstrap wants 200, and is nearer to
the spread over fresh sets where these have hardly more samples than features.

Of fewer samples the distance is no smooth function, and the bootstrap is all there is (evaluation.md 7).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.keys import keys
from darkroom.metrics.moments import Moments

_NONE = 1e-13  # of the largest eigenvalue: directions that rounding makes up
_ROWS = 4096  # contributions computed at once
_DRAWS = 200  # of the bootstrap


def frechet_sd(generated: Float[Tensor, "m d"], own: Moments, reference: Moments) -> float | None:
    """Standard deviation of the distance over sets of ``own.n`` samples, with the reference fixed; not its bias.

    ``own`` are the moments of ``generated``, or of more samples of which those are some: what one contributes is
    known from thousands of them.

    None where there are no more samples than directions in the reference, for then the distance is no smooth function
    of them. A direction in which the samples do not differ adds nothing.
    """
    factor = _factor(reference.covariance)
    n = own.n or len(generated)
    if n <= factor.shape[1]:
        return None
    # d tr (F' S F)^(1/2) = tr(T dS) / 2, where F F' is the reference's covariance and T = B B' for this B
    roots, vectors = _roots(factor.T @ own.covariance @ factor)
    turned = factor @ vectors / roots.sqrt()
    transport = turned @ turned.T
    quadratic = torch.eye(len(own.mean), dtype=torch.float64) - transport
    linear = 2 * (own.mean - reference.mean)
    parts = [_contributions(rows.double() - own.mean, linear, quadratic) for rows in generated.split(_ROWS)]
    return float(torch.cat(parts).std() / n**0.5)


def bootstrap_sd(generated: Float[Tensor, "m d"], reference: Moments, *, draws: int = _DRAWS) -> float:
    """Standard deviation of the distance over sets of ``m`` rows drawn from those of ``generated`` with replacement.

    Its mean would be biased, and is not told. All draws are made of two m x m matrices of inner products.
    """
    rows = generated.double() - reference.mean
    inner = rows @ rows.T
    turned = rows @ _factor(reference.covariance)
    within = turned @ turned.T
    drawn = keys(seed=0, purpose="bootstrap", places=range(draws)).integers(len(rows), (len(rows),))
    return float(torch.stack([_of_draw(inner[row][:, row], within[row][:, row]) for row in drawn]).std())


def _of_draw(inner: Float[Tensor, "m m"], within: Float[Tensor, "m m"]) -> Float[Tensor, ""]:
    """The distance but for the trace of the reference: of inner products around its mean, alone and within it."""
    m = len(inner)
    mean = inner.mean()
    trace = (inner.trace() - m * mean) / (m - 1)
    across = within.mean(dim=0)
    centred = (within - across - across[:, None] + within.mean()) / (m - 1)
    return mean + trace - 2 * torch.linalg.eigvalsh(centred).clamp(min=0).sqrt().sum()


def _contributions(centred: Tensor, linear: Tensor, quadratic: Tensor) -> Float[Tensor, " b"]:
    return centred @ linear + ((centred @ quadratic) * centred).sum(dim=1)


def _factor(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d r"]:
    """F with F F' = the covariance, with as many columns as it has directions."""
    roots, vectors = _roots(covariance)
    return vectors * roots


def _roots(symmetric: Float[Tensor, "d d"]) -> tuple[Float[Tensor, " r"], Float[Tensor, "d r"]]:
    """Roots of the eigenvalues that are there, and their vectors."""
    eigenvalues, vectors = torch.linalg.eigh(symmetric)
    there = eigenvalues > _NONE * eigenvalues[-1:]  # of which there may be none
    return eigenvalues[there].sqrt(), vectors[:, there]

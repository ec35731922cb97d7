"""The Frechet distance between two Gaussians (Dowson and Landau 1982), as FID has it (Heusel et al. 2017)."""

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.moments import Moments

_SINGULAR = 1e-6  # smallest pivot of a Cholesky factor beside the largest: below, rounding makes up directions
_LOST = 1e-10  # of the largest variance: what a factor may leave out, whose root would be missing from the trace


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mean_a - mean_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2), in float64.

    Never regularised; a little below 0 is rounding, and is answered as it is. Raises ValueError where the features have
    different widths.
    """
    if a.mean.shape != b.mean.shape:
        widths = f"{len(a.mean)} and {len(b.mean)}"
        raise ValueError(f"features of {widths} numbers have no distance; use one extractor for both")
    difference = a.mean - b.mean
    traces = a.covariance.trace() + b.covariance.trace()
    return float(difference @ difference + traces - 2 * _trace_of_root(a, b))


def _trace_of_root(a: Moments, b: Moments) -> Float[Tensor, ""]:
    """tr (S_a S_b)^(1/2), which is the sum of the roots of the eigenvalues of F' S_b F where S_a = F F'.

    A Cholesky factor and one symmetric eigenvalue problem are a fraction of the work of two eigenvector problems. The
    factor of lower rank comes first: of its products no eigenvalue is 0 but for rounding, whose root would count.
    Where neither has such a factor, both covariances are factored by their eigenvectors.
    """
    for one, other in sorted(((a, b), (b, a)), key=lambda pair: _rank(pair[0])):
        if (factor := _cholesky(one)) is not None:
            return torch.linalg.eigvalsh(factor.T @ other.covariance @ factor).clamp(min=0).sqrt().sum()
    return torch.linalg.svdvals(_factor(a.covariance).T @ _factor(b.covariance)).sum()


def _rank(of: Moments) -> int:
    """At most: around their mean, n rows have n - 1 directions."""
    width = len(of.mean)
    return width if of.n is None else min(width, max(1, of.n - 1))


def _cholesky(of: Moments) -> Float[Tensor, "d r"] | None:
    """F with F F' = the covariance, from its first r columns, which give all others where r is the rank.

    None where these columns depend on each other (one feature is constant, or follows from others), or where they do
    not give the rest.
    """
    rank, covariance = _rank(of), of.covariance
    upper, failed = torch.linalg.cholesky_ex(covariance[:rank, :rank])
    pivots = upper.diagonal()
    if failed or not pivots.min() > _SINGULAR * pivots.max():
        return None
    lower = torch.linalg.solve_triangular(upper, covariance[:rank, rank:], upper=False).T
    factor = torch.cat([upper, lower])
    variances = covariance.diagonal()
    lost = (variances - factor.square().sum(dim=1)).abs().max()
    return factor if lost < _LOST * variances.max() else None


def _factor(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """F with F F' = the covariance, of any rank."""
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    return vectors * eigenvalues.clamp(min=0).sqrt()

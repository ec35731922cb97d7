"""The Frechet distance between two Gaussians (Dowson and Landau 1982), as FID has it (Heusel et al. 2017)."""

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.metrics.moments import Moments

_SINGULAR = 1e-6  # smallest pivot of a Cholesky factor beside the largest: below, rounding makes up directions


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
    """tr (S_a S_b)^(1/2), which is the sum of the roots of the eigenvalues of L' S_b L where S_a = L L'.

    A Cholesky factor and one symmetric eigenvalue problem are a fraction of the work of two eigenvector problems, and
    want S_a of full rank: else both covariances are factored by their eigenvectors.
    """
    for one, other in ((a, b), (b, a)):
        factor, failed = torch.linalg.cholesky_ex(one.covariance)
        pivots = factor.diagonal()
        if not failed and pivots.min() > _SINGULAR * pivots.max():
            eigenvalues = torch.linalg.eigvalsh(factor.T @ other.covariance @ factor)
            return eigenvalues.clamp(min=0).sqrt().sum()
    return torch.linalg.svdvals(_factor(a.covariance).T @ _factor(b.covariance)).sum()


def _factor(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """F with F F' = the covariance, of any rank."""
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    return vectors * eigenvalues.clamp(min=0).sqrt()

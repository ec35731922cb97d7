"""How far a Frechet distance would move with other samples, without drawing any.

Where there are more samples than directions it is the first-order error. The distance is smooth in mean and covariance
of the generated features, so its standard error is that of the mean of what each sample contributes to it (the
infinitesimal jackknife, Efron 1982). It costs as much as a few distances, where a bootstrap wants 200, and is nearer to
the spread over fresh sets where these have hardly more samples than features.

Of fewer samples the distance is no smooth function, and the bootstrap is all there is (evaluation.md 7).

Samples are generated ones beside a reference that stays, or pairs of an original and its reconstruction: then both sets
are others, what one of a pair adds to the distance the other mostly takes away, and the first-order error costs twice.
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
    return float(_contributions(generated, own, reference.mean, factor).std() / n**0.5)


def frechet_sd_of_pairs(
    generated: Float[Tensor, "m d"], reference: Float[Tensor, "m d"], own: Moments, other: Moments
) -> float | None:
    """The same over sets of ``m`` pairs, of which row i of either set is one; ``own`` and ``other`` are their moments.

    None where either set has as many directions as ``m`` rows can have, for then more rows may have more.
    """
    own_factor, other_factor = _factor(own.covariance), _factor(other.covariance)
    m = len(generated)
    if m - 1 <= max(own_factor.shape[1], other_factor.shape[1]):
        return None
    of_generated = _contributions(generated, own, other.mean, other_factor)
    of_reference = _contributions(reference, other, own.mean, own_factor)
    return float((of_generated + of_reference).std() / m**0.5)


def bootstrap_sd(generated: Float[Tensor, "m d"], reference: Moments, *, draws: int = _DRAWS) -> float:
    """Standard deviation of the distance over sets of ``m`` rows drawn from those of ``generated`` with replacement.

    Its mean would be biased, and is not told. The traces of all draws are made of one m x m matrix of inner products.
    """
    rows, m = generated.double() - reference.mean, len(generated)
    turned = rows @ _factor(reference.covariance)
    within, counts = turned @ turned.T, _counts(m, draws)
    gap = (counts @ rows / m).square().sum(dim=1)
    spread = (counts @ rows.square().sum(dim=1) - m * gap) / (m - 1)
    eigenvalues = [torch.linalg.eigvalsh(_centred(within, each)) / (m - 1) for each in counts]
    root = torch.stack([each.clamp(min=0).sqrt().sum() for each in eigenvalues])
    return float((gap + spread - 2 * root).std())


def bootstrap_sd_of_pairs(
    generated: Float[Tensor, "m d"], reference: Float[Tensor, "m d"], *, draws: int = _DRAWS
) -> float:
    """The same over sets of ``m`` pairs, of which row i of either set is one.

    Where the covariances are X'X and Y'Y, the trace of the root of their product is the sum of singular values of XY'.
    """
    centre, m = reference.double().mean(dim=0), len(generated)
    x, y = generated.double() - centre, reference.double() - centre
    inner, counts = x @ y.T, _counts(m, draws)
    x_mean, y_mean = counts @ x / m, counts @ y / m
    gap = (x_mean - y_mean).square().sum(dim=1)
    squares = (x.square() + y.square()).sum(dim=1)
    spread = (counts @ squares - m * (x_mean.square() + y_mean.square()).sum(dim=1)) / (m - 1)
    root = torch.stack([torch.linalg.svdvals(_centred(inner, each)).sum() for each in counts]) / (m - 1)
    return float((gap + spread - 2 * root).std())


def _contributions(rows: Tensor, own: Moments, mean: Tensor, factor: Tensor) -> Float[Tensor, " m"]:
    """What each row adds to the distance, but for a constant, where the other set's covariance is F F' of this factor.

    d tr (F' S F)^(1/2) = tr(T dS) / 2, where T = B B' for this B.
    """
    roots, vectors = _roots(factor.T @ own.covariance @ factor)
    turned = factor @ vectors / roots.sqrt()
    quadratic = torch.eye(len(mean), dtype=torch.float64) - turned @ turned.T
    linear = 2 * (own.mean - mean)
    centred = [part.double() - own.mean for part in rows.split(_ROWS)]
    return torch.cat([each @ linear + ((each @ quadratic) * each).sum(dim=1) for each in centred])


def _counts(m: int, draws: int) -> Float[Tensor, "draws m"]:
    """How often each of ``m`` rows is in each draw of as many."""
    drawn = keys(seed=0, purpose="bootstrap", places=range(draws)).integers(m, (m,))
    return torch.stack([each.bincount(minlength=m) for each in drawn]).double()


def _centred(inner: Float[Tensor, "m m"], counts: Float[Tensor, " m"]) -> Float[Tensor, "u u"]:
    """A draw's inner products around its means, of the rows that it has.

    One that it has c times stands there once, by the root of c as long: the covariances are the same.
    """
    there = counts > 0
    inner, counts = inner[there][:, there], counts[there]
    m, roots = counts.sum(), counts.sqrt()
    left, right = inner @ counts / m, counts @ inner / m
    return (inner - left[:, None] - right + counts @ left / m) * torch.outer(roots, roots)


def _factor(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d r"]:
    """F with F F' = the covariance, with as many columns as it has directions."""
    roots, vectors = _roots(covariance)
    return vectors * roots


def _roots(symmetric: Float[Tensor, "d d"]) -> tuple[Float[Tensor, " r"], Float[Tensor, "d r"]]:
    """Roots of the eigenvalues that are there, and their vectors."""
    eigenvalues, vectors = torch.linalg.eigh(symmetric)
    there = eigenvalues > _NONE * eigenvalues[-1:]  # of which there may be none
    return eigenvalues[there].sqrt(), vectors[:, there]

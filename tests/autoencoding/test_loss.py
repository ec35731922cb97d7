"""Loss terms and their weighted sum."""

import pytest
import torch

from darkroom.autoencoding.loss.kl import KL
from darkroom.autoencoding.loss.reconstruction import L1, L2
from darkroom.autoencoding.loss.total import Loss
from darkroom.contracts import Posterior

PICTURE = torch.zeros(2, 3, 4, 4)
RECONSTRUCTION = torch.full_like(PICTURE, 0.5)
RECONSTRUCTION[1] = -1.0
POSTERIOR = Posterior(mean=torch.full((2, 4, 1, 1), 2.0), std=torch.ones(2, 4, 1, 1))  # KL 2 an element


def test_terms_are_means_over_all_elements():
    assert L1()(PICTURE, RECONSTRUCTION, POSTERIOR).item() == pytest.approx((0.5 + 1) / 2)
    assert L2()(PICTURE, RECONSTRUCTION, POSTERIOR).item() == pytest.approx((0.25 + 1) / 2)
    assert KL(weight=1.0)(PICTURE, RECONSTRUCTION, POSTERIOR).item() == pytest.approx(2.0)


def test_the_total_weighs_the_terms_and_each_is_told_unweighed_by_name():
    loss = Loss({"l1": L1(weight=2.0), "l2": None, "kl": KL(weight=0.1)})
    values = loss(PICTURE, RECONSTRUCTION, POSTERIOR)
    assert values.total.item() == pytest.approx(2 * 0.75 + 0.1 * 2.0)
    assert {name: value.item() for name, value in values.terms.items()} == pytest.approx({"l1": 0.75, "kl": 2.0})


def test_the_total_teaches_and_the_told_terms_do_not():
    reconstruction = RECONSTRUCTION.clone().requires_grad_()
    values = Loss({"l2": L2(weight=3.0)})(PICTURE, reconstruction, POSTERIOR)
    values.total.backward()
    torch.testing.assert_close(reconstruction.grad, 3 * 2 * RECONSTRUCTION / RECONSTRUCTION.numel())
    assert not values.terms["l2"].requires_grad


def test_bfloat16_reconstructions_are_compared_in_float32():
    assert L1()(PICTURE, RECONSTRUCTION.bfloat16(), POSTERIOR).dtype == torch.float32


def test_a_loss_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"loss\.terms is empty"):
        Loss({"kl": None})

import pytest
import torch
from oracle import SCHEDULES, double

from darkroom.diffusion import parameterization, weighting
from darkroom.diffusion.schedule import Cosine, Flow, coefficients

TIMES = double(0.01, 0.2, 0.35, 0.6, 0.9)
PARTS = [parameterization.Eps(), parameterization.X0(), parameterization.V(), parameterization.Velocity()]


def at_times(schedule):
    return coefficients(schedule, TIMES, like=TIMES)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("weight", [weighting.MinSNR(5.0), weighting.Edm(0.5)], ids=lambda p: type(p).__name__)
def test_a_weighting_means_the_same_under_every_parameterization(schedule, weight):
    at = at_times(schedule)
    on_x0 = weight(torch.ones_like(at.alpha), at)
    for part in PARTS:
        torch.testing.assert_close(weight(part.factor(at), at) * part.factor(at), on_x0, rtol=1e-12, atol=0)


def test_min_snr_has_the_published_form_for_eps_v_and_velocity():
    vp, flow = at_times(Cosine()), at_times(Flow())
    snr, weight = (vp.alpha / vp.sigma) ** 2, weighting.MinSNR(5.0)
    torch.testing.assert_close(weight(parameterization.Eps().factor(vp), vp), snr.clamp(max=5) / snr)
    torch.testing.assert_close(weight(parameterization.V().factor(vp), vp), snr.clamp(max=5) / (snr + 1))
    on_velocity = weight(parameterization.Velocity().factor(flow), flow)
    torch.testing.assert_close(on_velocity, ((1 - TIMES) ** 2 / TIMES**2).clamp(max=5) * TIMES**2)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_the_edm_weighting_is_one_on_the_edm_target(schedule):
    at = at_times(schedule)
    on_native = weighting.Edm(0.5)(parameterization.Edm(0.5).factor(at), at)
    torch.testing.assert_close(on_native, torch.ones_like(TIMES), rtol=1e-12, atol=0)


def test_the_v_loss_is_the_edm_weighting_with_unit_std_where_variance_is_preserved():
    at = at_times(Cosine())
    on_native = weighting.Edm(1.0)(parameterization.V().factor(at), at)
    torch.testing.assert_close(on_native, torch.ones_like(TIMES), rtol=1e-12, atol=0)


def test_weights_stay_finite_at_pure_noise():
    at = coefficients(Flow(), double(1.0), like=TIMES)
    for weight in (weighting.Constant(), weighting.MinSNR(), weighting.Edm()):
        for part in (parameterization.X0(), parameterization.V(), parameterization.Velocity()):
            assert torch.isfinite(weight(part.factor(at), at)).all()

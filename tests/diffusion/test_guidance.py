import pytest
import torch
from hydra.utils import instantiate
from oracle import double, exact_moments, node, scalar

from darkroom.diffusion.guidance import ClassifierFree
from darkroom.diffusion.ideal import Gaussian
from darkroom.diffusion.samplers.heun import sample_heun
from darkroom.diffusion.schedule import Flow
from darkroom.diffusion.time_grid import uniform

SCHEDULE = Flow()
CONDITIONAL, UNCONDITIONAL = Gaussian(0.5, 0.8), Gaussian(-0.2, 0.8)
X = double(-1, 0, 2).reshape(3, 1)


def never(*_):
    raise AssertionError("the unconditional denoiser was called")


def both():
    return CONDITIONAL.denoiser(SCHEDULE), UNCONDITIONAL.denoiser(SCHEDULE)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_guided_samples_of_gaussians_are_the_closed_form(scale):
    guided = ClassifierFree(scale)(*both())
    mean, variance = exact_moments(sample_heun, guided, CONDITIONAL, SCHEDULE, uniform(200, SCHEDULE))
    assert mean == pytest.approx(-0.2 + scale * 0.7, abs=2e-4)
    assert variance == pytest.approx(0.8**2, abs=2e-4)


def test_a_scale_of_one_is_the_conditional_denoiser_itself():
    conditional, _ = both()
    assert ClassifierFree(1.0)(conditional, never) is conditional


def test_outside_of_the_interval_the_unconditional_denoiser_is_not_called():
    conditional, _ = both()
    guided = ClassifierFree(3.0, [0.2, 0.6])(conditional, never)
    for t in (scalar(0.2), scalar(0.61), scalar(1.0), double(0.1, 0.7, 0.2)):
        assert torch.equal(guided(X, t), conditional(X, t))


def test_inside_of_the_interval_the_formula_holds_with_its_upper_end():
    conditional, unconditional = both()
    guided = ClassifierFree(3.0, [0.2, 0.6])(conditional, unconditional)
    for t in (scalar(0.21), scalar(0.6)):
        expected = unconditional(X, t) + 3 * (conditional(X, t) - unconditional(X, t))
        torch.testing.assert_close(guided(X, t), expected, rtol=1e-14, atol=1e-14)


def test_times_of_a_batch_are_judged_one_by_one():
    conditional, unconditional = both()
    guided = ClassifierFree(3.0, [0.2, 0.6])(conditional, unconditional)
    t = double(0.1, 0.5, 0.9)
    expected = torch.cat([guided(X[i : i + 1], t[i]) for i in range(3)])
    torch.testing.assert_close(guided(X, t), expected, rtol=1e-14, atol=1e-14)


def test_half_precision_samples_stay_so():
    guided = ClassifierFree(3.0)(*both())
    assert guided(X.float(), scalar(0.5)).dtype == torch.float32


@pytest.mark.parametrize("interval", [[0.6, 0.2], [0.3, 0.3], [-0.1, 1.0], [0.0, 1.2], [0.5]])
def test_what_is_no_interval_is_refused(interval):
    with pytest.raises(ValueError, match=r"guidance\.interval=.* is no interval"):
        ClassifierFree(3.0, interval)


@pytest.mark.parametrize(("name", "scale"), [("cfg", 3.0), ("none", 1.0)])
def test_configured_guidance_is_on_everywhere_or_off(name, scale):
    conditional, unconditional = both()
    guided = instantiate(node("guidance", name))(conditional, unconditional)
    for t in (scalar(1e-3), scalar(1.0)):
        expected = ClassifierFree(scale)(conditional, unconditional)(X, t)
        assert torch.equal(guided(X, t), expected)

"""Averages of any width, made of snapshots of two."""

import shutil

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from darkroom.runs.folder import Run
from darkroom.runs.posthoc import (
    Profile,
    coefficients,
    distance,
    inner_product,
    posthoc_average,
    snapshots,
    write_snapshot,
)
from darkroom.runs.power_average import PowerAverage, power_exponent
from darkroom.runs.widths import WIDTHS

STEPS, COUNT = 2000, 20


def profile(step, gamma):
    """As a function of the step."""
    return lambda t: (gamma + 1) * t**gamma / step ** (gamma + 1) if t <= step else 0.0


@pytest.mark.parametrize("a", [Profile(300, 16.97), Profile(1000, 6.94)])
@pytest.mark.parametrize("b", [Profile(200, 3.6), Profile(300, 16.97), Profile(1000, 0.7)])
def test_inner_products_are_integrals(a, b):
    until = min(a.step, b.step)
    expected, _ = quad(lambda t: profile(*a)(t) * profile(*b)(t), 0, until)
    assert inner_product(a, b) == pytest.approx(expected, rel=1e-8)
    assert inner_product(b, a) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("width", "bound"), [(0.03, 0.03), (0.08, 0.003), (0.15, 0.007), (0.02, 0.1)])
def test_the_profile_is_met_as_recipes_6_says(width, bound):
    """L1 distances of 0.025, 0.002, 0.006 and 0.09, for 20 snapshots of two averages."""
    held = [Profile(step, power_exponent(each)) for step in range(100, 2001, 100) for each in WIDTHS]
    shares = coefficients(held, Profile(2000, power_exponent(width)))
    steps = np.arange(2000) + 0.5
    made = sum(share * np.array([profile(*each)(t) for t in steps]) for share, each in zip(shares, held, strict=True))
    wanted = np.array([profile(2000, power_exponent(width))(t) for t in steps])
    assert np.abs(made - wanted).sum() < bound
    assert shares.sum() == pytest.approx(1)
    off = np.sqrt(((made - wanted) ** 2).sum() / (wanted**2).sum())
    assert distance(held, shares, Profile(2000, power_exponent(width))) == pytest.approx(off, rel=0.02, abs=1e-4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Weights that wander, their snapshots, and all that they were."""
    run = Run(tmp_path_factory.mktemp("run"))
    walk = torch.randn(STEPS, 3, generator=torch.Generator().manual_seed(0)).cumsum(0) / 10
    averages = [PowerAverage(width) for width in WIDTHS]
    for step, weights in enumerate(walk, start=1):
        for average in averages:
            if step == 1:
                average.start({"layer.weight": weights})
            average.move({"layer.weight": weights}, step)
        if step % (STEPS // COUNT) == 0:
            write_snapshot(run, step, averages)
    return run, walk.double()


@pytest.mark.parametrize("width", [0.05, 0.07, 0.1, 0.15])
def test_an_average_of_another_width_is_what_training_with_it_would_have_kept(run, width):
    run, walk = run
    power = power_exponent(width) + 1
    edges = (torch.arange(STEPS + 1, dtype=torch.float64) / STEPS) ** power
    expected = (edges.diff()[:, None] * walk).sum(dim=0)
    made = posthoc_average(run, width, STEPS).weights["layer.weight"]
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.double(), expected, rtol=0, atol=0.01 * walk.std().item())


def test_an_earlier_step_takes_the_snapshots_up_to_it(run):
    run, walk = run
    assert list(snapshots(run, 450)) == [100, 200, 300, 400]
    power = power_exponent(0.1) + 1
    edges = (torch.arange(401, dtype=torch.float64) / 400) ** power
    expected = (edges.diff()[:, None] * walk[:400]).sum(dim=0)
    torch.testing.assert_close(
        posthoc_average(run, 0.1, 450).weights["layer.weight"].double(), expected, rtol=0, atol=0.01 * walk.std().item()
    )


def test_a_damaged_snapshot_is_named(run, tmp_path):
    shutil.copytree(run[0].snapshots, tmp_path / "ema")
    path = next((tmp_path / "ema").iterdir())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"^{path}: cannot be read .*; copy it again, or remove it$"):
        posthoc_average(Run(tmp_path), 0.1, STEPS)


def test_what_snapshots_cannot_make_is_told(run, tmp_path):
    with pytest.raises(ValueError, match=r"ema=0\.4.* from 0\.02 to 0\.25"):
        posthoc_average(run[0], 0.4, STEPS)
    with pytest.raises(ValueError, match=r"ema=0\.02: 1 snapshots make no average of that width"):
        posthoc_average(run[0], 0.02, 100)
    assert posthoc_average(run[0], 0.02, STEPS).distance < 0.25
    with pytest.raises(FileNotFoundError, match=r"ema=0\.1: .* kept no snapshots.*callback\.snapshots\.count=20"):
        posthoc_average(Run(tmp_path), 0.1, STEPS)

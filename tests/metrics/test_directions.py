"""Each set metric moves the right way on real pictures, and what a metric cannot see is shown with it."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
import torchvision
from photos import FILES, MEAN, REAL, STD, blurred, cifar10, features, needs_real_data, noisy
from torch import nn

from darkroom.keys import keys
from darkroom.metrics.extractor import Extractor
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.inception_score import inception_score
from darkroom.metrics.kernel import cmmd, kid_of_all_pairs
from darkroom.metrics.moments import moments
from darkroom.metrics.neighbours import neighbours

pytestmark = needs_real_data
EACH = 300
WIDTH, CLASSES = 512, 1000  # features, and the logits behind them
FEW = 2  # of the ten classes


@dataclasses.dataclass(frozen=True)
class Found:
    fd: float
    kid: float
    cmmd: float
    precision: float
    recall: float
    density: float
    coverage: float
    score: float  # Inception score, of one split


class Both(nn.Module):
    """SqueezeNet's features, and behind them the logits that it makes of them."""

    def __init__(self):
        super().__init__()
        network = torchvision.models.squeezenet1_1(weights=None)
        self.features, self.classifier = network.features, network.classifier

    def forward(self, picture):
        trunk = self.features(picture)
        return torch.cat([trunk.mean(dim=(2, 3)), self.classifier(trunk).flatten(1)], dim=1)


@pytest.fixture(scope="module")
def of():
    """Features and logits of photos and of what becomes of them, by name."""
    photos, labels = cifar10("train", 2500)
    a, b = photos[:EACH], photos[EACH : 2 * EACH]
    of_few = [photo for photo, label in zip(photos[EACH:], labels[EACH:], strict=True) if label < FEW][:EACH]
    sets = {"reference": a, "real": b, "blurred": blurred(b, 1), "noisy": noisy(b), "few classes": of_few}
    assert all(len(each) == EACH for each in sets.values())
    weights = f"{REAL}/weights/{FILES['squeezenet1_1']}"
    extractor = Extractor(name="both", network=Both, weights=weights, size=64, mean=MEAN, std=STD)
    return {name: features(extractor, pictures) for name, pictures in sets.items()}


@pytest.fixture(scope="module")
def measured(of):
    def measure(rows):
        generated, reference = rows[:, :WIDTH], of["reference"][:, :WIDTH]
        closed, opened = (neighbours(generated, reference, k=k, closed=k == 3) for k in (3, 5))
        return Found(
            fd=frechet_distance(moments(generated), moments(reference)),
            kid=kid_of_all_pairs(generated, reference),
            cmmd=cmmd(F.normalize(generated.double()), F.normalize(reference.double())),
            precision=closed.precision,
            recall=closed.recall,
            density=opened.density,
            coverage=opened.coverage,
            score=inception_score(rows[:, WIDTH:], splits=1).mean,
        )

    return measure


def test_noise_moves_every_metric(of, measured):
    real, noise = measured(of["real"]), measured(of["noisy"])
    assert noise.fd > 2 * real.fd and noise.kid > 100 * abs(real.kid)
    assert max(noise.precision - real.precision, noise.recall - real.recall, noise.coverage - real.coverage) < -0.3
    assert noise.density < 0.5 * real.density
    assert noise.score < 0.3 * real.score
    assert noise.cmmd > 10 * real.cmmd


def test_blur_is_farther_away_and_less_various(of, measured):
    """It moves pictures to the middle of the real ones, where precision and density are content with them."""
    real, blur = measured(of["real"]), measured(of["blurred"])
    assert blur.fd > 1.3 * real.fd and blur.kid > 100 * abs(real.kid)
    assert blur.recall < real.recall - 0.3
    assert blur.score < 0.9 * real.score
    assert blur.cmmd > 5 * real.cmmd
    assert blur.precision >= real.precision and blur.density > real.density


def test_more_noise_is_farther_away(of, measured):
    """Of the features themselves, since a network's answer need not grow as its input's. Recall rises: balls grow."""
    noise = keys(seed=0, purpose="noise", places=range(EACH)).normal((WIDTH + CLASSES,)) * of["real"].std(dim=0)
    found = [measured(of["real"] + share * noise) for share in (0.0, 0.25, 0.5, 1.0)]
    for name in ("fd", "kid", "recall"):
        values = [getattr(each, name) for each in found]
        assert values == sorted(set(values)), name
    for name in ("precision", "density", "coverage"):
        values = [getattr(each, name) for each in found]
        assert values == sorted(set(values), reverse=True), name


def test_dropped_modes_cost_recall_and_coverage_and_no_precision(of, measured):
    real, few = measured(of["real"]), measured(of["few classes"])
    assert few.fd > 1.3 * real.fd and few.kid > 100 * abs(real.kid)
    assert max(few.recall - real.recall, few.coverage - real.coverage) < -0.15
    assert few.precision == pytest.approx(real.precision, abs=0.1)
    assert few.score < 0.8 * real.score
    assert few.cmmd > 3 * real.cmmd


def test_what_sees_that_each_picture_comes_twice(of, measured):
    """Recall, whose balls shrink, and KID, which takes two copies for two draws that agree; nothing else does."""
    once, twice = measured(of["real"]), measured(of["real"].repeat(2, 1))
    assert (twice.precision, twice.density, twice.coverage) == (once.precision, once.density, once.coverage)
    assert twice.score == pytest.approx(once.score, rel=1e-12)
    assert twice.fd == pytest.approx(once.fd, rel=0.01)
    assert twice.kid > once.kid + 10 * abs(once.kid)
    assert twice.recall < once.recall - 0.2
    assert twice.cmmd == pytest.approx(once.cmmd, rel=1e-9)


def test_five_pictures_many_times_are_content_with_precision_alone(of, measured):
    real, five = measured(of["real"]), measured(of["real"][:5].repeat(EACH // 5, 1))
    assert five.fd > 2 * real.fd and five.kid > 100 * abs(real.kid)
    assert five.recall == 0 and five.coverage < 0.2
    assert five.precision >= real.precision
    assert 1 < five.score <= 5
    assert five.cmmd > 10 * real.cmmd


def test_copies_of_the_reference_are_perfect_to_each_metric(of, measured):
    """Nothing here tells a model that copies its training pictures: darkroom.metrics.memorisation does."""
    found = measured(of["reference"].clone())
    assert abs(found.fd) < 1e-3 and found.kid < 0
    assert (found.precision, found.recall, found.density, found.coverage) == (1, 1, 1, 1)
    assert found.cmmd == pytest.approx(0, abs=1e-9)


def test_the_inception_score_knows_no_reference(of, measured):
    assert measured(of["reference"]).score == pytest.approx(measured(of["real"]).score, rel=0.1)

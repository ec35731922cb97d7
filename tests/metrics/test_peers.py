"""The set metrics beside other packages' on the same features, and end to end on the same pictures.

torch-fidelity is called as it is; of clean-fid and pytorch-fid, which write the same formula, the formula is here.
"""

import numpy as np
import pytest
import scipy.linalg
import torch
import torch_fidelity
from photos import cifar10, features, made, needs_real_data, noisy, pretrained, untrained
from references import GENERATED, REFERENCE
from safetensors.torch import save_file
from torch import nn
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from darkroom.metrics.extractor import Extractor
from darkroom.metrics.frechet import frechet_distance
from darkroom.metrics.inception_score import inception_score
from darkroom.metrics.kernel import kid, kid_of_all_pairs
from darkroom.metrics.moments import moments
from darkroom.metrics.neighbours import neighbours

SETS = ["of the reference values", "made", pytest.param("real", marks=needs_real_data)]
QUIET = {"verbose": False, "cuda": False, "save_cpu_ram": True}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Generated and reference features by their names, each pair made once."""
    kept = {"of the reference values": (GENERATED, REFERENCE)}

    def get(name):
        if name not in kept:
            if name == "real":
                extractor, (pictures, _) = pretrained("squeezenet1_1", 64), cifar10("train", 500)
            else:
                extractor, pictures = untrained("squeezenet1_1", 64, tmp_path_factory.mktemp("w")), made(500, seed=0)
            kept[name] = features(extractor, noisy(pictures[:200], 10)), features(extractor, pictures[200:])
        return kept[name]

    return get


@pytest.mark.parametrize("name", SETS)
def test_the_frechet_distance_is_that_of_its_peers(sets, name):
    generated, reference = sets(name)
    found = frechet_distance(moments(generated), moments(reference))
    theirs = [fid_features_to_statistics(each) for each in (generated, reference)]
    assert found == pytest.approx(fid_statistics_to_metric(*theirs, False)["frechet_inception_distance"], rel=1e-4)
    assert found == pytest.approx(by_matrix_root(generated.double(), reference.double()), rel=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_kid_is_torch_fidelitys(sets, name):
    generated, reference = sets(name)
    drawn = {"kid_subsets": 20, "kid_subset_size": 150, **QUIET}
    found = kid(generated, reference, subsets=20, size=150)
    for cast, rel in ((torch.Tensor.double, 1e-9), (torch.Tensor.float, 1e-3)):
        theirs = kid_features_to_metric(cast(generated), cast(reference), **drawn)
        assert found == pytest.approx(tuple(theirs.values()), rel=rel)


@pytest.mark.parametrize("name", SETS)
def test_precision_and_recall_are_torch_fidelitys(sets, name):
    generated, reference = sets(name)
    found = neighbours(generated, reference, k=3, closed=True)
    theirs = prc_features_to_metric(generated.double(), reference.double(), **QUIET)
    assert (found.precision, found.recall) == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-7)


@pytest.mark.parametrize("name", SETS)
def test_the_inception_score_is_torch_fidelitys(sets, name):
    logits = sets(name)[1]
    assert inception_score(logits)[:2] == pytest.approx(tuple(isc_features_to_metric(logits).values()), rel=1e-9)


def by_matrix_root(a, b):
    """|m_a - m_b|^2 + tr (S_a + S_b - 2 (S_a S_b)^(1/2)), the root by Schur's form, its imaginary part left out."""
    (m_a, s_a), (m_b, s_b) = ((x.mean(dim=0).numpy(), np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    root = np.real(scipy.linalg.sqrtm(s_a @ s_b))
    return float((m_a - m_b) @ (m_a - m_b) + np.trace(s_a + s_b - 2 * root))


def blocks(seed, n, low, high):
    """Pictures of 4 x 4 blocks under noise, as evaluation.md 8.2 has them."""
    random = np.random.RandomState(seed)
    colours = random.randint(low, high, size=(n, 3, 4, 4), dtype=np.int64)
    noise = random.randint(0, 256, size=(n, 3, 32, 32), dtype=np.int64)
    return torch.from_numpy(((3 * np.kron(colours, np.ones((8, 8), np.int64)) + noise) // 4).astype(np.uint8))


class Means(nn.Module):
    """The mean of each 8 x 8 block: 48 numbers of a picture."""

    def forward(self, picture):
        return nn.functional.avg_pool2d(picture, 8).flatten(1)


class TheirMeans(FeatureExtractorBase):
    def __init__(self, name, features_list, **_):
        super().__init__(name, features_list)

    @staticmethod
    def get_provided_features_list():
        return ("48",)

    @staticmethod
    def get_default_feature_layer_for_metric(_metric):
        return "48"

    def forward(self, picture):
        return (Means()(picture.float() / 255),)


class Pictures(torch.utils.data.Dataset):
    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.pictures[index]


def test_end_to_end_pictures_give_the_numbers_that_torch_fidelity_gives(tmp_path):
    pictures = blocks(11, 700, 40, 256), blocks(22, 900, 0, 256)
    assert [int(each.long().sum()) for each in pictures] == [305727986, 352701015]
    save_file({}, tmp_path / "none.safetensors")
    weights = str(tmp_path / "none.safetensors")
    own = Extractor(name="means", network=Means, weights=weights, size=32, mean=[0.0] * 3, std=[1.0] * 3)
    generated, reference = (own(torch.stack([own.prepare(each) for each in all_of])) for all_of in pictures)
    near = neighbours(generated, reference, k=3, closed=True)
    found = {
        "frechet_inception_distance": frechet_distance(moments(generated), moments(reference)),
        "kernel_inception_distance_mean": kid(generated, reference, subsets=50, size=300).mean,
        "inception_score_mean": inception_score(generated).mean,
        "precision": near.precision,
        "recall": near.recall,
    }
    torch_fidelity.register_feature_extractor("means-of-blocks", TheirMeans)
    theirs = torch_fidelity.calculate_metrics(
        input1=Pictures(pictures[0]),
        input2=Pictures(pictures[1]),
        feature_extractor="means-of-blocks",
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        kid_subsets=50,
        kid_subset_size=300,
        cache=False,
        **QUIET,
    )
    assert found == pytest.approx({name: theirs[name] for name in found}, rel=1e-5)
    assert found["frechet_inception_distance"] == pytest.approx(0.274412230, rel=1e-6)
    assert found["kernel_inception_distance_mean"] == pytest.approx(0.0232421144, rel=1e-6)
    assert kid_of_all_pairs(generated, reference) == pytest.approx(0.0229845093, rel=1e-6)
    assert (near.inside_reference, near.inside_generated) == (692, 113)
    assert inception_score(generated)[:2] == pytest.approx((1.0162500, 0.00028991), abs=2e-8)

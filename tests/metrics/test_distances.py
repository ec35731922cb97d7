"""Names of numbers and what stands beside them; the numbers themselves are tested where they are computed."""

from types import SimpleNamespace

import pytest
import torch
from references import GENERATED, REFERENCE, feat

from darkroom.commands.checking import folders
from darkroom.metrics.distances import FAMILIES, LEAST, Sets, names_of, refuse_impossible
from darkroom.metrics.moments import moments
from darkroom.metrics.statistics_file import Statistics

FEATURES = {"name": "x", "prepare": print, "__call__": print, "to": print, "protocol": {"name": "x"}}
INCEPTION = FEATURES | {
    "titles": {"fd": "fid", "kid": "kid", "kid_full": "kid_full", "inception_score": "inception_score"},
    "logits": lambda features: features[:, :20].double(),
}


def found(*families, generated=GENERATED, reference=REFERENCE, extractor=FEATURES, errors=True):
    reference = Statistics(moments(reference), None, reference)
    protocol = {"extractor": extractor["protocol"], "reference": "its pictures", "conditions": "all"}
    sets = Sets(generated, reference, protocol, 100, SimpleNamespace(**extractor), errors)
    return {name: number for family in families for name, number in FAMILIES[family](sets).items()}


def test_the_check_knows_the_families_that_there_are():
    assert tuple(FAMILIES) == folders.FAMILIES
    assert LEAST == folders.LEAST


def test_numbers_have_the_names_that_the_extractor_decides():
    assert set(found("fd", "kid", "cmmd")) == {"fd_x", "kid_x", "kid_full_x", "cmmd_x"}
    own = found("fd", "kid", "cmmd", "inception_score", extractor=INCEPTION)
    assert set(own) == {"fid", "kid", "kid_full", "cmmd_x", "inception_score", "inception_score_1"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("titles", [INCEPTION["titles"], {}], ids=["inception", "another"])
def test_a_family_gives_the_numbers_whose_names_it_tells(family, titles):
    extractor = INCEPTION | {"titles": titles}
    given = found(family, generated=GENERATED[:200], extractor=extractor, errors=False)
    assert list(given) == names_of(family, SimpleNamespace(**extractor))


def test_kid_over_all_pairs_has_its_reference_value_and_stands_beside_the_one_over_subsets():
    own = found("kid")
    assert own["kid_full_x"]["value"] == pytest.approx(0.0211031913, rel=1e-8)  # evaluation.md 8.1
    assert own["kid_full_x"]["value"] != own["kid_x"]["value"]
    assert "seed" not in own["kid_full_x"]["protocol"]["metric"]


def test_cmmd_is_of_features_brought_to_length_1():
    # evaluation.md 8.1, of the same features already normalised
    value = found("cmmd", generated=GENERATED[:500])["cmmd_x"]["value"]
    scaled = found("cmmd", generated=GENERATED[:500] * 7)["cmmd_x"]["value"]
    assert value == pytest.approx(scaled, rel=1e-6)


def test_an_inception_score_knows_no_reference_and_is_told_in_ten_splits_and_in_one():
    own = found("inception_score", extractor=INCEPTION)
    ten, one = own["inception_score"], own["inception_score_1"]
    assert ten["std"] > 0 and "std" not in one
    assert set(one["protocol"]) == {"metric", "m", "extractor", "conditions"}
    assert (ten["protocol"]["metric"]["splits"], one["protocol"]["metric"]["splits"]) == (10, 1)


def test_an_inception_score_of_features_alone_is_refused_before_any_is_computed():
    with pytest.raises(ValueError, match=r"^metrics: inception_score wants the logits .* and x gives features alone; "):
        refuse_impossible(["fd", "inception_score"], SimpleNamespace(**FEATURES))
    refuse_impossible(["fd", "inception_score"], SimpleNamespace(**INCEPTION))
    refuse_impossible(["fd", "cmmd"], SimpleNamespace(**FEATURES))


def test_errors_stand_beside_the_numbers_where_they_are_wanted_and_known():
    whole = found("fd", "kid", "cmmd")
    assert whole["fd_x"]["sd"] == pytest.approx(0.19887, abs=1e-4)
    assert all(whole[name]["sd"] > 0 for name in ("kid_x", "kid_full_x", "cmmd_x"))
    assert not any("sd" in number for number in found("fd", "kid", "cmmd", errors=False).values())
    assert whole["fd_x"]["sd_by"] == "first order"
    few = found("fd", generated=GENERATED[:60])["fd_x"]  # fewer than features
    assert few["sd"] > whole["fd_x"]["sd"]
    assert few["sd_by"] == "bootstrap of 200"


def test_the_error_of_a_kernel_distance_is_that_over_fresh_samples_of_both_sets():
    # far apart: between sets of nearly one law, blocks tell too much rather than too little
    pairs = [(feat(2 * k, 300, 8, 1.0, 1.0, 0.7), feat(2 * k + 1, 300, 8, 1.0, 0.0, 0.7)) for k in range(12)]
    own = [found("cmmd", generated=x, reference=y)["cmmd_x"] for x, y in pairs]
    spread = torch.tensor([number["value"] for number in own]).std()
    assert sum(number["sd"] for number in own) / len(own) == pytest.approx(float(spread), rel=0.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reference_of_another_width_is_refused_whatever_it_says_of_itself(family):
    with pytest.raises(
        ValueError, match=r"^reference: its features have 63 numbers and those of x 64; .* delete it there$"
    ):
        found(family, reference=REFERENCE[:, 1:], extractor=INCEPTION)


def test_single_pictures_have_no_cmmd():
    with pytest.raises(ValueError, match="cmmd: sets of 1 and 2000 pictures have no distance"):
        found("cmmd", generated=GENERATED[:1])


def test_shares_have_wilsons_interval():
    own = found("precision_recall", "density_coverage")
    for name in ("precision", "recall", "coverage"):
        low, high = own[name]["interval"]
        assert low < own[name]["value"] < high
    low, high = own["precision"]["interval"]
    assert high - low == pytest.approx(2 * 1.96 * (0.25 / 1500) ** 0.5, rel=0.01)  # 761 of 1,500
    assert "interval" not in own["density"]


def test_density_and_inception_scores_have_standard_errors_where_they_are_wanted():
    families = ("density_coverage", "inception_score")
    own = found(*families, extractor=INCEPTION)
    for name in ("density", "inception_score", "inception_score_1"):
        assert 0 < own[name]["sd"] < 0.1 * own[name]["value"]
    assert not any("sd" in number for number in found(*families, extractor=INCEPTION, errors=False).values())


def test_the_error_of_density_is_that_over_fresh_samples():
    reference, sets = feat(101, 200, 8, 1.0, 0.3, 0.7), [feat(900 + k, 300, 8, 1.0, 0.4, 0.6) for k in range(60)]
    own = [found("density_coverage", generated=each, reference=reference)["density"] for each in sets]
    spread = torch.tensor([number["value"] for number in own]).std().item()  # 60 sets know it to 9 %
    assert sum(number["sd"] for number in own) / len(own) == pytest.approx(spread, rel=0.3)

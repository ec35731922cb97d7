import itertools

import pytest
import torch
from references import GENERATED, REFERENCE
from scipy.stats import mannwhitneyu

from darkroom.keys import keys
from darkroom.metrics import neighbours as module
from darkroom.metrics.memorisation import Memorisation, memorisation, numbers
from darkroom.metrics.neighbours import Nearest, nearest


def line(*places):
    return torch.tensor(places, dtype=torch.float32)[:, None]


def at(*distances):
    return Nearest(torch.zeros(len(distances), dtype=torch.int64), torch.tensor(distances, dtype=torch.float64))


def normal(purpose, n, d=16):
    return keys(seed=0, purpose=purpose, places=range(n)).normal((d,))


ORIGIN = line(0.0)
NINETEEN = line(*range(1, 20))  # at distances 1 to 19 of the origin, of which 1 is the 5 % quantile


def test_the_nearest_and_its_distance():
    found = nearest(line(1.0, 6.0, 21.0, 5.0), line(0.0, 10.0, 20.0))
    assert found.index.tolist() == [0, 1, 2, 0]  # the first of two that are as near
    assert found.distance.tolist() == [1, 4, 1, 5]


@pytest.mark.parametrize("tile", [7, 100, 5000])
def test_tiles_change_nothing(monkeypatch, tile):
    monkeypatch.setattr(module, "_TILE", tile)
    found = nearest(GENERATED[:150], REFERENCE[:110])
    every = torch.cdist(GENERATED[:150].double(), REFERENCE[:110].double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.equal(found.index, every.argmin(dim=1))
    torch.testing.assert_close(found.distance, every.min(dim=1).values)


def test_numbers_of_a_few_points():
    found = memorisation(line(0.5, 1.0, 2.0, 30.0), ORIGIN, NINETEEN)
    assert found.threshold == 1
    assert (found.near, found.share, found.nearest_of_all) == (1, 0.25, 1)
    assert found.chance == pytest.approx(4 / 23)
    assert found.ratio == pytest.approx(1.5 / 10)
    assert found.interval == pytest.approx((0.0456, 0.6994), abs=1e-4)  # Wilson's of 1 in 4
    pair = found.closest(1)[0]
    assert (pair.generated, pair.training, pair.distance, pair.beaten) == (0, 0, 0.5, 1)
    assert found.closest(3)[2].beaten == 17 / 19


def test_z_is_the_statistic_of_mann_and_whitney():
    generated, held_out = normal("generated", 40, 1).abs(), normal("held-out", 30, 1).abs() * 1.3
    found = memorisation(generated, ORIGIN, held_out)
    theirs = mannwhitneyu(found.generated.distance, found.held_out.distance)
    assert found.z == pytest.approx((theirs.statistic - 600) / (40 * 30 * 71 / 12) ** 0.5, rel=1e-12)
    with_ties = memorisation(NINETEEN, ORIGIN, NINETEEN)
    assert with_ties.z == 0 and with_ties.ratio == 1


def test_the_chance_that_the_least_are_all_generated_is_what_counting_gives():
    orders = list(itertools.combinations(range(5), 3))  # ranks that three generated of five may have
    for least in (1, 2, 3):
        counted = sum(set(range(least)) <= set(ranks) for ranks in orders) / len(orders)
        generated = [0.1 * (i + 1) if i < least else 9.0 for i in range(3)]
        assert Memorisation(at(*generated), at(1.0, 2.0), 1).chance == pytest.approx(counted)


def test_a_new_picture_is_below_the_threshold_in_one_of_twenty_cases():
    sets = keys(seed=0, purpose="held-out", places=range(2000)).uniform((30,), torch.float64)
    levels = torch.tensor([Memorisation(at(1.0), Nearest(torch.zeros(30), each), 1).threshold for each in sets])
    assert float(levels.mean()) == pytest.approx(0.05, abs=0.003)
    assert float(levels.std()) == pytest.approx(Memorisation(at(1.0), at(*range(30)), 1).expected_sd, rel=0.15)


TRAINING, HELD_OUT = normal("training", 400), normal("held-out", 200)


def test_new_samples_of_the_same_law_are_no_copies():
    found = memorisation(normal("generated", 300), TRAINING, HELD_OUT)
    assert not found.copies and abs(found.z) < 3
    assert found.ratio == pytest.approx(1, abs=0.1)


def test_copies_are_seen_whether_all_are_or_a_few():
    copies = TRAINING[:300] + 0.1 * normal("noise", 300)
    every = memorisation(copies, TRAINING, HELD_OUT)
    assert every.copies and every.share == 1 and every.ratio < 0.2 and every.z < -15
    assert [pair.training for pair in every.closest(300)] == [pair.generated for pair in every.closest(300)]
    few = memorisation(torch.cat([copies[:20], 1.2 * normal("generated", 280)]), TRAINING, HELD_OUT)
    assert few.copies and few.nearest_of_all >= 20 and few.ratio > 1
    assert {pair.generated for pair in few.closest(20)} == set(range(20))


def test_the_training_pictures_themselves_are_at_no_distance():
    found = memorisation(TRAINING, TRAINING, HELD_OUT)
    assert found.generated.index.tolist() == list(range(400))
    assert found.generated.distance.max() == 0 and found.ratio == 0


def test_what_would_look_right_and_is_not_is_refused():
    with pytest.raises(ValueError, match="held_out: 18 pictures set no scale; give 19 or more"):
        memorisation(TRAINING, TRAINING, HELD_OUT[:18])
    with pytest.raises(ValueError, match="held_out: 30 of 200 pictures are training pictures"):
        memorisation(TRAINING, TRAINING, torch.cat([TRAINING[:30], HELD_OUT[:170]]))
    broken = HELD_OUT.clone()
    broken[3, 2] = torch.nan
    with pytest.raises(ValueError, match="1 of 200 rows of features are not finite"):
        memorisation(TRAINING, TRAINING, broken)
    with pytest.raises(ValueError, match="no features to choose the nearest of"):
        memorisation(TRAINING, TRAINING[:0], HELD_OUT)


def test_every_number_carries_its_protocol():
    record = {"extractor": {"name": "x"}, "training": "a", "held_out": "b"}
    result = numbers(memorisation(line(0.5, 1.0, 2.0, 30.0), ORIGIN, NINETEEN), record)
    assert set(result) == {f"memorisation_{name}" for name in ("share", "closest", "ratio", "z")}
    assert len({each["protocol_id"] for each in result.values()}) == 4
    share = result["memorisation_share"]
    assert (share["value"], share["count"], share["expected"]) == (0.25, 1, 0.05)
    assert share["interval"][0] < 0.25 < share["interval"][1]
    protocol = share["protocol"]
    assert (protocol["m"], protocol["n"], protocol["k"], protocol["extractor"]) == (4, 1, 19, {"name": "x"})

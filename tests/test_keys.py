import numpy as np
import pytest
import torch

from darkroom.keys import Keys, keys, module_seed, permutation

WORDS = [9274849583088059953, 14749650877653244562]
NORMAL = [-0.9331482, 0.9331149, 0.1497321, -0.649976]
UNIFORM = [0.7665339, 0.4109962]
INTEGERS = [382, 546]
ORDER = [7, 5, 2, 0, 4, 3, 6, 1]
SEED = 4157792616313607795


def of(places, *, seed=0, purpose="noise", step=7):
    return keys(seed=seed, purpose=purpose, step=step, places=places)


def test_a_draw_does_not_depend_on_its_batch():
    whole = of(range(8)).normal((4, 8, 8))
    assert torch.equal(whole, torch.cat([of(range(3)).normal((4, 8, 8)), of(range(3, 8)).normal((4, 8, 8))]))
    assert torch.equal(whole[[5, 2]], of([5, 2]).normal((4, 8, 8)))
    assert torch.equal(whole[2:4], of(range(8))[2:4].normal((4, 8, 8)))


def test_places_may_come_as_a_range_a_list_an_array_or_a_tensor():
    expected = of([3, 1]).words
    for places in (iter([3, 1]), np.array([3, 1]), torch.tensor([3, 1])):
        assert np.array_equal(of(places).words, expected)


@pytest.mark.parametrize("other", [{"seed": 1}, {"purpose": "time"}, {"step": 8}], ids=str)
def test_seed_purpose_and_step_each_give_other_numbers(other):
    assert len(np.intersect1d(of(range(1000)).words, of(range(1000), **other).words)) == 0
    assert abs(correlation(of(range(4000)).normal(), of(range(4000), **other).normal())) < 0.06


def test_neighbours_of_any_kind_are_independent():
    place = of(range(4001)).normal()
    assert abs(correlation(place[:-1], place[1:])) < 0.06
    folded = [of(range(4000)).fold(step).normal() for step in (0, 1)]
    assert abs(correlation(*folded)) < 0.06
    assert abs(correlation(of(range(4000)).normal(), folded[0])) < 0.06


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_the_same_keys_answer_the_same_and_fold_makes_others():
    once = of(range(4))
    assert torch.equal(once.normal(), once.normal())
    assert torch.equal(once.fold("a").normal(), once.fold("a").normal())
    assert not torch.equal(once.fold("a").normal(), once.fold("b").normal())
    assert not torch.equal(once.fold(1).fold(2).normal(), once.fold(2).fold(1).normal())


def test_normal_draws_have_the_moments_and_tails_of_a_normal():
    x = of(range(1000)).normal((200,), dtype=torch.float64)
    assert x.dtype == torch.float64
    assert x.mean() == pytest.approx(0, abs=0.01) and x.std() == pytest.approx(1, abs=0.01)
    assert x.pow(4).mean() == pytest.approx(3, abs=0.1)
    assert (x.abs() > 1.96).double().mean() == pytest.approx(0.05, abs=0.003)
    assert x[:, 0].mean() == pytest.approx(0, abs=0.13) and x[0].mean() == pytest.approx(0, abs=0.28)  # 4 sigma


def test_uniform_draws_fill_their_interval_evenly():
    x = of(range(1000)).uniform((100,))
    assert x.min() >= 0 and x.max() < 1
    assert torch.histc(x, bins=10, min=0, max=1) / 1e5 == pytest.approx(torch.full((10,), 0.1), abs=0.005)


def test_integers_reach_every_number_below_their_bound_and_no_other():
    x = of(range(1000)).integers(7, (10,))
    assert x.dtype == torch.int64 and set(x.unique().tolist()) == set(range(7))
    assert x.flatten().bincount() / 1e4 == pytest.approx(torch.full((7,), 1 / 7), abs=0.02)


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (0.1, 0.1), (1.0, 1.0)])
def test_coins_fall_with_their_probability(probability, share):
    coins = of(range(20_000)).bernoulli(probability)
    assert coins.dtype == torch.bool and coins.float().mean() == pytest.approx(share, abs=0.01 * share + 1e-9 + 0.005)


def test_no_keys_give_an_empty_draw():
    assert of([]).normal((3,)).shape == (0, 3)


def test_a_draw_waits_for_no_device(monkeypatch):
    waits, move = [], torch.Tensor.to

    def recorded(tensor, *args, non_blocking=False, **options):
        waits.append(not non_blocking)
        return move(tensor, *args, non_blocking=non_blocking, **options)

    monkeypatch.setattr(torch.Tensor, "to", recorded)
    of(range(4)).normal()
    assert waits == [False]


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    of(range(4)).normal((2,)), permutation(10, seed=0, purpose="shuffle")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_permutation_is_one_and_depends_on_its_arguments_alone():
    def order(**changes):
        return permutation(1000, **({"seed": 0, "purpose": "shuffle", "step": 3} | changes))

    assert sorted(order()) == list(range(1000)) and np.array_equal(order(), order())
    for changes in ({"seed": 1}, {"purpose": "other"}, {"step": 4}):
        assert (order(**changes) == order()).mean() < 0.02


def test_module_seeds_differ_by_rank_and_step_and_fit_torch():
    seeds = {module_seed(seed=0, purpose="dropout", step=s, rank=r) for s in range(50) for r in range(4)}
    assert len(seeds) == 200 and all(0 <= seed < 2**63 for seed in seeds)


def test_the_stream_is_the_one_that_every_run_so_far_was_trained_on():
    """A change of these values changes every run, cache and sample: it needs a reason and a line in the changelog."""
    golden = of([0, 63])
    assert golden.words.tolist() == WORDS
    assert golden.normal((2,)).flatten().tolist() == pytest.approx(NORMAL, abs=1e-6)
    assert golden.fold("start").uniform().tolist() == pytest.approx(UNIFORM, abs=1e-6)
    assert golden.integers(1000).tolist() == INTEGERS
    assert permutation(8, seed=0, purpose="shuffle", step=1).tolist() == ORDER
    assert module_seed(seed=0, purpose="initial weights") == SEED


def test_a_key_is_a_value():
    assert isinstance(of(range(2)).to("cpu"), Keys)
    assert torch.equal(of(range(2)).to("cpu").normal(), of(range(2)).normal())

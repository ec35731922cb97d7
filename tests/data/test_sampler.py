import pytest

from darkroom.data.sampler import SequentialSampler, VisitSampler


def visits(size=10, **settings):
    return list(VisitSampler(size, **{"batch_size": 4, "seed": 0, "max_steps": 10} | settings))


def test_every_picture_is_seen_once_an_epoch_though_batches_cross_its_end():
    stream = [visit for batch in visits() for visit in batch]
    for epoch in range(4):
        assert sorted(visit.index for visit in stream if visit.epoch == epoch) == list(range(10))
    assert {visit.epoch for visit in visits()[2]} == {0, 1}  # places 8..11 of 10 pictures


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed, epoch):
        return [visit.index for batch in visits(seed=seed) for visit in batch if visit.epoch == epoch]

    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert order(0, 0) != list(range(10))


def test_a_batch_may_be_larger_than_the_set():
    first = visits(size=3, batch_size=8, max_steps=1)[0]
    assert [visit.epoch for visit in first] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert sorted(visit.index for visit in first[3:6]) == [0, 1, 2]


def test_steps_and_places_are_counted():
    for step, batch in enumerate(visits()):
        assert [(visit.step, visit.place) for visit in batch] == [(step, place) for place in range(4)]


@pytest.mark.parametrize(("world_size", "accumulate"), [(2, 1), (1, 4), (2, 3), (4, 3)])
def test_processes_and_micro_batches_make_up_the_same_batches(world_size, accumulate):
    whole = visits(batch_size=12)
    ranks = [
        visits(batch_size=12, rank=rank, world_size=world_size, accumulate=accumulate) for rank in range(world_size)
    ]
    together = [visit for micro in zip(*ranks, strict=True) for batch in micro for visit in batch]
    assert together == [visit for batch in whole for visit in batch]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stream_taken_up_at_a_step_goes_on_as_the_whole_one(accumulate):
    whole, rest = visits(accumulate=accumulate), visits(accumulate=accumulate, start_step=lambda: 7)
    assert rest == whole[7 * accumulate :]


def test_the_step_is_asked_for_whenever_an_iterator_is_made():
    now = 0
    sampler = VisitSampler(10, batch_size=4, seed=0, max_steps=10, start_step=lambda: now)
    early = iter(sampler)
    now = 6
    assert next(early)[0].step == 0
    assert next(iter(sampler))[0].step == 6


def test_the_length_is_that_of_the_whole_run():
    assert len(VisitSampler(10, batch_size=4, seed=0, max_steps=10, start_step=lambda: 7, accumulate=2)) == 20


def test_repeated_batches_keep_their_pictures_while_the_step_goes_on():
    batches = visits(repeat=2)
    assert [visit.step for batch in batches for visit in batch[:1]] == list(range(10))
    for i, batch in enumerate(batches):
        assert [(v.index, v.epoch) for v in batch] == [(v.index, v.epoch) for v in batches[i % 2]]


@pytest.mark.parametrize(
    ("batch_size", "world_size", "accumulate", "fits"), [(30, 4, 2, "24 or 32"), (3, 4, 1, "4"), (0, 2, 1, "2")]
)
def test_a_batch_that_does_not_divide_is_refused_with_sizes_that_do(batch_size, world_size, accumulate, fits):
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} .* {world_size} processes .* use {fits}$"):
        VisitSampler(10, batch_size=batch_size, seed=0, max_steps=1, world_size=world_size, accumulate=accumulate)


@pytest.mark.parametrize(("settings", "word"), [({"size": 0}, "no pictures"), ({"max_steps": -1}, "max_steps=-1")])
def test_an_empty_set_and_an_endless_run_are_refused(settings, word):
    with pytest.raises(ValueError, match=word):
        visits(**settings)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 17, 100])
@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_validation_visits_each_picture_once_over_all_processes(size, world_size, batch_size):
    ranks = [
        list(SequentialSampler(size, batch_size=batch_size, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    seen = sorted(visit.index for batches in ranks for batch in batches for visit in batch)
    assert seen == list(range(size))
    assert all(0 < len(batch) <= batch_size for batches in ranks for batch in batches)
    if batch_size > 1 and size >= world_size:
        assert len({len(batches) for batches in ranks}) == 1  # no process is left waiting in a gather


def test_validation_visits_are_the_same_at_every_call_and_for_any_number_of_processes():
    single = {visit.index: visit for batch in SequentialSampler(9, batch_size=4) for visit in batch}
    for rank in range(2):
        for batch in SequentialSampler(9, batch_size=2, rank=rank, world_size=2):
            assert all(visit == single[visit.index] for visit in batch)

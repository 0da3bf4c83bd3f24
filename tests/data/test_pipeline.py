import itertools
import multiprocessing
import os
import time

import numpy as np
import pytest

from hpunet.data.pipeline import READER_KILLED, Share, spread, training_batches
from tests import tiny

SOURCE = tiny.Source(num_examples=10)
SEED = 5
WAIT_SECONDS = 60
# Above the chi-squared quantile 0.999 for one degree of freedom.
CHI_SQUARED = 10.8


def take(num_batches, batch_size=4, **settings):
    batches = training_batches(SOURCE, batch_size, settings.pop("seed", SEED), **settings)
    return list(itertools.islice(batches, num_batches))


def assert_equal(batches, expected):
    for batch, expected_batch in zip(batches, expected, strict=True):
        for value, expected_value in zip(batch, expected_batch, strict=True):
            np.testing.assert_array_equal(value, expected_value)


def which(image):
    return next(i for i in range(len(SOURCE)) if np.array_equal(SOURCE[i]["image"], image))


@pytest.mark.parametrize("first_step", [1, 3, 7])
def test_batch_is_the_same_wherever_reading_begins(first_step):
    assert_equal(take(8 - first_step, first_step=first_step), take(8)[first_step:])


@pytest.mark.parametrize("num_workers", [1, 2])
def test_batch_is_the_same_however_many_processes_read(num_workers):
    assert_equal(take(6, first_step=2, num_workers=num_workers), take(6, first_step=2))


def processes_since(before):
    return len(set(multiprocessing.active_children()) - set(before))


def test_processes_start_before_anyone_asks_for_a_batch():
    before = multiprocessing.active_children()
    batches = training_batches(SOURCE, 4, SEED, num_workers=1)
    until = time.monotonic() + WAIT_SECONDS
    while not processes_since(before) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_since(before) == 1
    assert len(next(batches).image) == 4


def test_killed_reading_process_raises_what_the_loop_expects():
    before = multiprocessing.active_children()
    batches = training_batches(SOURCE, 4, SEED, num_workers=1)
    list(itertools.islice(batches, 2))
    (reader,) = set(multiprocessing.active_children()) - set(before)
    reader.kill()
    with pytest.raises(READER_KILLED):
        list(itertools.islice(batches, 100))


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 2), (8, 3)])
def test_no_more_processes_than_cores_read(monkeypatch, cores, processes):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    before = multiprocessing.active_children()
    batches = training_batches(SOURCE, 4, SEED, num_workers=3)
    # Every process has had its turn by then.
    read = list(itertools.islice(batches, 8))
    assert processes_since(before) == processes
    assert_equal(read, take(8))


def test_seed_decides_order_and_annotators():
    one, other = take(3), take(3, seed=6)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("first_step", [0, 3])
def test_shares_of_two_hosts_are_the_batch_of_one(first_step):
    whole = take(4, first_step=first_step)
    shares = [take(4, first_step=first_step, share=Share(host, 2)) for host in range(2)]
    for step, batch in enumerate(whole):
        for host in range(2):
            for value, all_values in zip(shares[host][step], batch, strict=True):
                np.testing.assert_array_equal(value, all_values[host::2])


def test_index_is_the_place_in_the_whole_batch():
    for batch in take(5):
        assert batch.position.tolist() == [0, 1, 2, 3]
        assert batch.image.dtype == batch.labels.dtype == np.uint8


def test_every_epoch_holds_each_example_once_in_an_order_of_its_own():
    batches = take(6, batch_size=5)
    epochs = [
        [which(image) for batch in batches[i : i + 2] for image in batch.image] for i in (0, 2, 4)
    ]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_annotators_are_drawn_uniformly_and_anew_in_every_epoch():
    counts = np.zeros(2)
    of_first_example = set()
    for batch in take(60, batch_size=10):
        for image, labels in zip(batch.image, batch.labels, strict=True):
            example = which(image)
            annotator = int(np.array_equal(labels, SOURCE[example]["annotations"][1]))
            counts[annotator] += 1
            if example == 0:
                of_first_example.add(annotator)
    assert of_first_example == {0, 1}
    expected = counts.sum() / 2
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARED


def test_batch_larger_than_the_split_runs_on_into_the_next_epoch():
    (batch,) = take(1, batch_size=16)
    assert len(batch.image) == 16


def test_batch_that_the_hosts_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="batch_size=5: allowed are multiples of 2"):
        take(1, batch_size=5, share=Share(0, 2))


def test_largest_seed_of_a_configuration_is_taken():
    assert len(take(1, seed=2**32 - 1)) == 1


def test_examples_are_spread_evenly_over_a_split():
    assert [which(e["image"]) for e in spread(SOURCE, 4)] == [0, 3, 6, 9]
    assert len(spread(SOURCE, 50)) == 10

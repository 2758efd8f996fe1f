"""Best-fit-decreasing on classes against a plain one on regions: the same bin for every region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.best_fit import UNPLACED, best_fit


def plain_best_fit(sizes, capacities):
    """One region at a time, every bin looked at: (bin of each region, loads by bin)."""
    endless = isinstance(capacities, int)
    room = [capacities] * len(sizes) if endless else list(capacities)
    full, opened, bin_of = list(room), set(), [-1] * len(sizes)
    for region in sorted(range(len(sizes)), key=lambda region: -sizes[region]):
        size = sizes[region]
        fits = [(room[bin], -full[bin], bin) for bin in opened if room[bin] >= size]
        empty = [(-full[bin], bin) for bin in range(len(room)) if bin not in opened and room[bin] >= size]
        if not fits and not empty:
            continue
        bin = min(fits or empty)[-1]  # the fullest that is open, of equally full the largest; or the largest empty
        opened.add(bin)
        room[bin] -= size
        bin_of[region] = bin
    loads = [whole - left for whole, left in zip(full, room, strict=True)]
    return bin_of, loads[: len(opened)] if endless else loads, len(opened)


def opening(capacities, regions):
    """Spans of a fleet as its bins open, and their numbers; a whole number is as many bins as regions."""
    if isinstance(capacities, int):
        return [(capacity, 0, regions) for capacity in [capacities] if regions], list(range(regions))
    order = sorted(range(len(capacities)), key=lambda bin: (-capacities[bin], bin))
    return [(capacities[bin], place, 1) for place, bin in enumerate(order)], order


def ours(sizes, capacities):
    """The same by classes: regions of a size take its runs in their order."""
    distinct, counts = np.unique(np.array(sizes, dtype=np.int64), return_counts=True)
    spans, order = opening(capacities, len(sizes))
    filled = best_fit(distinct, counts, spans)
    places = {size: [] for size in distinct.tolist()}
    runs = zip(*(column.tolist() for column in (filled.sizes, filled.firsts, filled.bins, filled.counts)), strict=True)
    for size, first, bins, count in runs:
        for place in range(first, first + bins):
            places[size] += [UNPLACED if first == UNPLACED else order[place]] * count
    bin_of = [places[size].pop(0) for size in sizes]
    loads = filled.loads().tolist()
    if not isinstance(capacities, int):
        by_place = loads + [0] * (len(order) - len(loads))
        loads = [by_place[order.index(bin)] for bin in range(len(order))]
    assert filled.unplaced == bin_of.count(UNPLACED)
    return bin_of, loads, filled.used


few_sizes = st.lists(st.integers(0, 12), max_size=60)
many_sizes = st.lists(st.integers(0, 1000), max_size=60)


@settings(max_examples=300)
@given(sizes=few_sizes | many_sizes, capacity=st.sampled_from([0, 1, 7, 12, 20, 100, 1000, 2**40]))
def test_endless_bins_are_filled_as_one_at_a_time(sizes, capacity):
    assert ours(sizes, capacity) == plain_best_fit(sizes, capacity)


@settings(max_examples=300)
@given(
    sizes=few_sizes | many_sizes,
    fleet=st.lists(st.integers(0, 30), max_size=12) | st.lists(st.sampled_from([0, 500, 1500]), max_size=12),
)
def test_a_fleet_is_filled_as_one_at_a_time(sizes, fleet):
    assert ours(sizes, fleet) == plain_best_fit(sizes, fleet)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("most", "capacity"), [(40, 100), (500, 1000), (900, 1000), (10**9, 10**10), (200_000, 300_000)]
)
def test_thousands_are_filled_as_one_at_a_time(seed, most, capacity):
    sizes = np.random.default_rng(seed).integers(0, most, 1500).tolist()
    assert ours(sizes, capacity) == plain_best_fit(sizes, capacity)


def test_a_fleet_opens_its_largest_bins_first():
    assert ours([6, 3], [5, 10, 7]) == ([1, 1], [0, 9, 0], 1)


def test_equal_sizes_fill_bins_in_their_order():
    assert ours([5] * 5, 10)[0] == [0, 0, 1, 1, 2]


def test_the_work_goes_with_runs_and_not_with_regions():
    filled = best_fit(np.array([7]), np.array([3_000_000]), [(22, 0, 3_000_000)])
    assert [column.tolist() for column in (filled.firsts, filled.bins, filled.counts)] == [[0], [1_000_000], [3]]


def test_what_bins_hold_and_what_none_does():
    filled = best_fit(np.array([0, 3, 4, 11]), np.array([2, 1, 3, 5]), [(10, 0, 1), (9, 1, 1), (2, 2, 4)])
    assert (filled.used, filled.unplaced) == (2, 5)  # 4 + 4 and 4 + 3, the 0s with the fuller; the 11s nowhere
    assert filled.loads().tolist() == [8, 7]
    assert (filled.sizes[0], filled.firsts[0], filled.counts[0]) == (11, UNPLACED, 5)

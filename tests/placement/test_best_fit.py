"""Best-fit-decreasing on classes against a plain one on regions: the same bin for every region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.packing import pack


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


def ours(sizes, capacities):
    array = capacities if isinstance(capacities, int) else np.array(capacities, dtype=np.int64)
    packing = pack(np.array(sizes, dtype=np.int64), array)
    return packing.bin_of.tolist(), packing.loads.tolist(), packing.bins_used


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
    packing = pack(np.full(3_000_000, 7, dtype=np.int64), 22)
    rows = zip(*(column.tolist() for column in (packing.runs.bin, packing.runs.bins, packing.runs.count)), strict=True)
    assert list(rows) == [(0, 1_000_000, 3)]

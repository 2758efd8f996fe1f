"""Bins of so many regions and no more: large ones beside small ones, near both limits at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.best_fit import UNPLACED
from kvplan.placement.two_ends import fill_from_both_ends


def filled(classes, spans, most):
    sizes, counts = (np.array(column, dtype=np.int64) for column in zip(*sorted(classes.items()), strict=True))
    return fill_from_both_ends(sizes, counts, spans, most)


def contents(found):
    """Regions of each size in each bin, and those without one."""
    bins, left = {}, {}
    for size, first, many, count in zip(*(column.tolist() for column in vars(found).values()), strict=True):
        if first == UNPLACED:
            left[size] = left.get(size, 0) + many * count
        for bin in range(first, first + many) if first != UNPLACED else ():
            held = bins.setdefault(bin, {})
            held[size] = held.get(size, 0) + count
    return bins, left


def test_every_bin_is_full_and_holds_its_most():
    # 1000 blocks and 110 regions are ten bins of 100 with 11: one of 90 and ten of 1 each.
    found = filled({90: 10, 1: 100}, [(100, 0, 15)], 11)
    assert contents(found) == ({bin: {90: 1, 1: 10} for bin in range(10)}, {})
    assert len(found.sizes) == 2  # one pattern for all ten


def test_pairs():
    # At most two: the largest with the smallest, 9 + 1, 8 + 2, 7 + 3, 6 + 4.
    found = filled({9: 1, 8: 1, 7: 1, 6: 1, 4: 1, 3: 1, 2: 1, 1: 1}, [(10, 0, 4)], 2)
    bins, left = contents(found)
    assert left == {}
    assert sorted(map(sorted, bins.values())) == [[1, 9], [2, 8], [3, 7], [4, 6]]


def test_one_region_a_bin_is_all_that_is_allowed():
    bins, left = contents(filled({5: 3, 2: 2}, [(100, 0, 4)], 1))
    assert sum(sum(held.values()) for held in bins.values()) == 4
    assert sum(left.values()) == 1


def test_what_is_too_large_has_no_bin():
    bins, left = contents(filled({20: 2, 3: 1}, [(10, 0, 4)], 9))
    assert (bins, left) == ({0: {3: 1}}, {20: 2})
    assert contents(filled({20: 2}, [], 9)) == ({}, {20: 2})


def test_regions_without_size():
    bins, left = contents(filled({0: 9, 4: 2}, [(10, 0, 3)], 4))
    assert left == {}
    assert max(sum(held.values()) for held in bins.values()) <= 4
    assert contents(filled({0: 5}, [(0, 0, 1)], 7)) == ({0: {0: 5}}, {})


@settings(max_examples=200, deadline=None)
@given(
    classes=st.dictionaries(st.integers(0, 60), st.integers(1, 200) | st.integers(1, 3), min_size=1, max_size=12),
    rooms=st.lists(st.integers(0, 100), max_size=6),
    most=st.integers(1, 20),
)
def test_what_it_keeps(classes, rooms, most):
    spans, first = [], 0
    for room in sorted(rooms, reverse=True):
        spans.append((room, first, 3))
        first += 3
    found = filled(classes, spans, most)
    bins, left = contents(found)
    room_of = {bin: room for room, begin, many in spans for bin in range(begin, begin + many)}
    for bin, held in bins.items():
        assert sum(size * count for size, count in held.items()) <= room_of[bin]
        assert sum(held.values()) <= most
    for size, count in classes.items():
        assert sum(held.get(size, 0) for held in bins.values()) + left.get(size, 0) == count
    assert bool((np.diff(found.sizes) <= 0).all())
    assert found.used <= first


@pytest.mark.parametrize("most", [110, 120, 200, 1000])
def test_as_few_bins_as_the_sum_needs(most):
    # Sizes 1 … 200, 50 of each, in bins of 10 000: 100.5 bins by their sum, 99.5 regions in each.
    found = filled(dict.fromkeys(range(1, 201), 50), [(10_000, 0, 200)], most)
    assert found.unplaced == 0
    assert found.used <= 102


def test_as_few_bins_as_the_regions_need():
    # With at most 80, 10 000 regions are 125 bins, which are then four fifths full.
    found = filled(dict.fromkeys(range(1, 201), 50), [(10_000, 0, 200)], 80)
    assert (found.unplaced, found.used) == (0, 125)

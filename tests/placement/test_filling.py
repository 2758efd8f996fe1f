"""Regions into bins: each placed or left once, no bin over its room, the dearest first, and nothing left that fits."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.entries import Entries
from kvplan.placement.filling import Entry, Placed, fill, nothing


def bins(*capacities):
    return np.array(capacities, dtype=np.int64)


def alike(*sizes_and_numbers, prefix=(0, 0)):
    """Entries of one class, in this order: size and how many."""
    entries, first = [], 0
    for size, number in sizes_and_numbers:
        entries.append(Entry(0, size, number, first, *prefix))
        first += number
    return entries


def counts(pieces):
    found = defaultdict(int)
    for piece in pieces:
        found[piece.entry.size_blocks] += piece.number
    return dict(found)


def loads(pieces, capacities):
    """Blocks, regions, and regions of each class in each bin, copies included."""
    used, held, of_class = [0] * len(capacities), [0] * len(capacities), defaultdict(lambda: defaultdict(int))
    prefix = {}
    for entry, bin, _, number in pieces:
        used[bin] += entry.size_blocks * number
        held[bin] += number
        if entry.prefixes and entry.prefix_blocks:
            of_class[entry.class_index][bin] += number
            prefix[entry.class_index] = entry.prefixes, entry.prefix_blocks
    for number, in_bins in of_class.items():
        for bin, regions in in_bins.items():
            used[bin] += min(prefix[number][0], regions) * prefix[number][1]
    return used, held, of_class


def fits_somewhere(entry, pieces, capacities, most):
    used, held, of_class = loads(pieces, capacities)
    for bin, capacity in enumerate(capacities.tolist()):
        new = entry.prefix_blocks if of_class[entry.class_index][bin] < entry.prefixes else 0
        if used[bin] + entry.size_blocks + new <= capacity and (not most or held[bin] < most):
            return True
    return False


def assert_holds(filling, entries, capacities, most):
    """All that fill() promises, recounted from the pieces alone."""
    for entry in entries:
        pieces = sorted(
            (piece for piece in [*filling.placed, *filling.left] if piece.entry == entry),
            key=lambda piece: piece.first_region,
        )
        assert sum(piece.number for piece in pieces) == entry.number
        following = entry.first_region
        for piece in pieces:
            assert piece.first_region == following
            assert piece.number > 0
            following += piece.number
    used, held, of_class = loads(filling.placed, capacities)
    assert filling.used.tolist() == used
    assert filling.held.tolist() == held
    assert bool((filling.used <= capacities).all())
    assert not most or max(held, default=0) <= most
    assert {number: dict(found) for number, found in of_class.items()} == filling.held_of
    assert filling.regions_placed == sum(held)
    assert filling.regions_left == sum(piece.number for piece in filling.left)
    ranks = {entry.first_region: rank for rank, entry in enumerate(entries)}
    for left in filling.left:
        rank = ranks[left.entry.first_region]
        dearer = [piece for piece in filling.placed if ranks[piece.entry.first_region] <= rank]
        assert not fits_somewhere(left.entry, dearer, capacities, most), left


@st.composite
def entry_lists(draw):
    prefixes = [draw(st.sampled_from([(0, 0), (0, 0), (1, 1), (5, 1), (3, 4), (20, 2), (2, 1000)])) for _ in range(4)]
    entries, first = [], 0
    for _ in range(draw(st.integers(0, 7))):
        number = draw(st.integers(1, 12) | st.integers(1, 200))
        index = draw(st.integers(0, 3))
        entries.append(Entry(index, draw(st.integers(0, 60)), number, first, *prefixes[index]))
        first += number
    return entries


capacity_lists = st.lists(st.integers(0, 100), max_size=8).map(lambda values: bins(*values)) | st.builds(
    lambda capacity, many: np.full(many, capacity, dtype=np.int64), st.integers(0, 120), st.integers(0, 30)
)


@settings(max_examples=300, deadline=None)
@given(entries=entry_lists(), capacities=capacity_lists, most=st.sampled_from([0, 0, 1, 2, 5, 40]))
def test_what_a_filling_keeps(entries, capacities, most):
    assert_holds(fill(entries, capacities, most), entries, capacities, most)


def test_all_that_fit_are_packed():
    # 6 + 4, 6 + 4, 5 + 5: three bins of 10 are full, the fourth is empty.
    entries = alike((4, 2), (5, 2), (6, 2))
    filling = fill(entries, bins(10, 10, 10, 10), 0)
    assert filling.used.tolist() == [10, 10, 10, 0]
    assert filling.left == []


def test_the_dearest_are_kept_first():
    # 7 is dearest: one a bin. Of 5 none fits beside it; 3 does. What is left is 5, though 3 is less dear.
    entries = alike((7, 2), (5, 3), (3, 4))
    filling = fill(entries, bins(10, 10), 0)
    assert counts(filling.placed) == {7: 2, 3: 2}
    assert [(piece.entry.size_blocks, piece.first_region, piece.number) for piece in filling.left] == [
        (5, 2, 3), (3, 7, 2),
    ]  # fmt: skip
    # The other way round 3 fills the bins: 3 each, and 1 of the 4 … none: 4 × 3 is in two bins, 5 beside one of them.
    filling = fill(alike((3, 4), (5, 3), (7, 2)), bins(10, 10), 0)
    assert counts(filling.placed) == {3: 4, 5: 1}
    assert sorted(filling.used.tolist()) == [8, 9]


def test_of_an_entry_the_first_regions_are_placed():
    filling = fill(alike((4, 10)), bins(10, 3, 4), 0)
    assert filling.placed == [Placed(Entry(0, 4, 10, 0), 0, 0, 2), Placed(Entry(0, 4, 10, 0), 2, 2, 1)]
    assert filling.left == [Placed(Entry(0, 4, 10, 0), -1, 3, 7)]


def test_a_copy_is_counted_once_for_its_bin():
    # Three regions of 10 share a prefix of 5: 35. With two prefixes the bin holds two: 40; with one region one.
    for prefixes, number, used in ((1, 3, 35), (2, 3, 40), (2, 1, 15), (9, 3, 45)):
        filling = fill(alike((10, number), prefix=(5, prefixes)), bins(100), 0)
        assert filling.used.tolist() == [used]
        assert filling.held_of == {0: {0: number}}


def test_copies_count_where_room_is_tight():
    # 3 × 10 + 5 is 35: a bin of 34 holds two, beside which nothing else fits.
    filling = fill(alike((10, 3), prefix=(5, 1)), bins(34, 34), 0)
    assert filling.held.tolist() == [2, 1]
    filling = fill(alike((10, 5), prefix=(5, 1)), bins(34, 34), 0)
    assert (filling.held.tolist(), filling.regions_left) == ([2, 2], 1)


def test_room_is_not_kept_for_more_copies_than_can_be():
    # A thousand prefixes of 5 would not fit the bin; the three regions bring three.
    filling = fill(alike((10, 3), prefix=(5, 1000)), bins(45), 0)
    assert (filling.used.tolist(), filling.regions_left) == ([45], 0)
    # Neither do more than max_num_seqs: two regions with two copies are 30.
    filling = fill(alike((10, 4), prefix=(5, 1000)), bins(30, 30), 2)
    assert (filling.used.tolist(), filling.regions_left) == ([30, 30], 0)


def test_classes_with_large_prefixes_share_few_bins():
    # A prefix is 60 of a bin of 100: no two classes share one, though each bin could hold 4 regions of 10 of its class.
    entries = [Entry(index, 10, 8, 8 * index, 60, 1) for index in range(3)]
    filling = fill(entries, bins(*[100] * 6), 0)
    assert filling.regions_left == 0
    assert filling.used.tolist() == [100] * 6
    # With one class without a prefix the rest is still filled: 24 of 10 in six bins beside 60.
    entries = [Entry(0, 10, 3, 0, 60, 1), Entry(1, 10, 11, 3)]
    assert fill(entries, bins(100, 100), 0).regions_left == 0


def test_no_bin_gets_more_regions_than_it_may():
    # Two large ones and ten small: 12 regions in three bins of at most 4.
    filling = fill(alike((60, 2), (1, 10)), bins(100, 100, 100), 4)
    assert filling.held.tolist() == [4, 4, 4]
    # 5 of 20 fit 100, but 4 may be there.
    filling = fill(alike((20, 9)), bins(100, 100), 4)
    assert (filling.held.tolist(), filling.regions_left) == ([4, 4], 1)


def test_many_small_regions_lie_beside_few_large_ones():
    # By volume ten bins do; each may hold 11: one of 90 and ten of 1. Anything else needs more bins.
    filling = fill(alike((90, 10), (1, 100)), bins(*[100] * 15), 11)
    assert filling.held.tolist() == [11] * 10 + [0] * 5


def test_a_limit_of_regions_costs_no_bin_where_their_mean_keeps_it():
    # Sizes 1 … 200, 50 of each: 1 005 000 blocks are 100.5 bins of 10 000, and 10 000 regions 99.5 a bin; 110 may be.
    entries = alike(*((size, 50) for size in range(200, 0, -1)))
    for bins_there, left in ((102, False), (100, True)):
        filling = fill(entries, bins(*[10_000] * bins_there), 110)
        assert (filling.regions_left > 0) == left
        assert int(filling.held.max()) <= 110


def test_a_limit_above_all_regions_is_none():
    entries, capacities = alike((7, 30), (3, 50)), bins(*[20] * 20)
    free = fill(entries, capacities, 0)
    for most in (80, 1 << 40, (1 << 62) - 1):
        limited = fill(entries, capacities, most)
        assert limited.placed == free.placed


def test_nothing_at_all():
    assert fill([], bins(), 0).placed == []
    assert fill([], bins(5), 3).used.tolist() == [0]
    assert nothing().regions_left == 0
    filling = fill(alike((3, 2)), bins(), 0)
    assert (filling.regions_placed, filling.regions_left) == (0, 2)
    assert fill(alike((3, 2)), bins(0, 2), 0).regions_left == 2
    assert fill(alike((3, 0)), bins(9), 0).left == []


def test_regions_without_size():
    filling = fill(alike((0, 1 << 40)), bins(0), 0)
    assert (filling.used.tolist(), filling.held.tolist()) == ([0], [1 << 40])
    assert fill(alike((0, 9)), bins(5, 5), 3).regions_left == 3
    filling = fill(alike((0, 9), prefix=(4, 2)), bins(9), 0)  # all of them is the prefix
    assert (filling.used.tolist(), filling.regions_left) == ([8], 0)
    assert fill(alike((0, 9), prefix=(4, 2)), bins(3), 0).regions_left == 9


def test_gigantic_numbers():
    big = (1 << 61) - 1
    filling = fill(alike((big, 1)), bins(big), 0)
    assert filling.used.tolist() == [big]
    filling = fill(alike((1 << 45, 1 << 40), (5, 1 << 40)), bins(*[1 << 44] * 1000), 0)
    assert filling.regions_placed == 1 << 40
    # Two of 2^43 − 3 leave 6 of 2^44: one of 5.
    filling = fill(alike(((1 << 43) - 3, 1 << 40), (5, 1 << 40)), bins(*[1 << 44] * 1000), 7)
    assert set(filling.held.tolist()) == {3}


def test_millions_of_millions_of_regions_over_few_bins():
    rng = np.random.default_rng(3)
    sizes = np.sort(rng.integers(20, 400, 300))[::-1].tolist()
    entries = alike(*((size, 1 << 31) for size in dict.fromkeys(sizes)))
    capacities = bins(*rng.integers(500, 1000, 40).tolist())
    assert_holds(fill(entries, capacities, 0), entries, capacities, 0)
    assert_holds(fill(entries, capacities, 2), entries, capacities, 2)


def test_ten_million_regions_are_counted():
    # 2500 bins hold 4000 regions each: 1000 of each of four sizes fill 10 000 exactly.
    sizes = (1, 2, 3, 4)
    entries = alike(*((size, 2_500_000) for size in sizes))
    filling = fill(entries, bins(*[10_000] * 2500), 0)
    assert (filling.regions_placed, filling.regions_left) == (10_000_000, 0)
    assert filling.used.tolist() == [10_000] * 2500
    # With 2499 bins 10 000 blocks are missing: the least dear, of 4, are left.
    filling = fill(entries, bins(*[10_000] * 2499), 0)
    assert filling.regions_left == 2500
    assert counts(filling.left) == {4: 2500}


@settings(max_examples=100, deadline=None)
@given(entries=entry_lists(), capacities=capacity_lists, most=st.sampled_from([0, 0, 3]), data=st.data())
def test_names_change_no_number(entries, capacities, most, data):
    """What class or regions are called is not looked at."""
    other = [
        entry._replace(class_index=3 - entry.class_index, first_region=entry.first_region + 7) for entry in entries
    ]
    one, two = fill(entries, capacities, most), fill(other, capacities, most)
    assert one.used.tolist() == two.used.tolist()
    assert one.held.tolist() == two.held.tolist()
    assert counts(one.left) == counts(two.left)


@settings(max_examples=100, deadline=None)
@given(entries=entry_lists(), capacities=capacity_lists, most=st.sampled_from([0, 0, 3]))
def test_entries_of_equal_rank_change_no_number(entries, capacities, most):
    """Regions alike in two entries are as regions in one."""
    halves = []
    for entry in entries:
        first = entry.number // 2
        parts = (first, entry.first_region), (entry.number - first, entry.first_region + first)
        halves += [entry._replace(number=number, first_region=begin) for number, begin in parts if number]
    one, two = fill(entries, capacities, most), fill(halves, capacities, most)
    assert one.regions_left == two.regions_left
    assert counts(one.left) == counts(two.left)


@settings(max_examples=200, deadline=None)
@given(entries=entry_lists(), capacities=capacity_lists, most=st.sampled_from([0, 0, 1, 3]), data=st.data())
def test_lower_priorities_cost_higher_ones_nothing(entries, capacities, most, data):
    """Of a priority and above as many are left as without the lower ones, or none."""
    drawn = [data.draw(st.integers(-1, 1)) for _ in entries]
    levels = np.array(sorted(drawn, reverse=True), dtype=np.int64)
    together = fill(entries, capacities, most, levels)
    assert_holds(together, entries, capacities, most)
    for level in range(-1, 2):
        dear = [entry for entry, priority in zip(entries, levels.tolist(), strict=True) if priority >= level]
        alone = fill(dear, capacities, most, levels[: len(dear)])
        left = [piece for piece in together.left if piece.entry in dear]
        assert left in (alone.left, [])


def test_columns_are_made_once():
    table = Entries.of(alike((5, 2), (3, 1)))
    assert fill(table, bins(20), 0).entries is table
    only = table.where(np.array([False, True]))
    filling = fill(only, bins(20), 0)
    assert (filling.regions_placed, filling.regions_left) == (1, 0)
    assert filling.placed == [Placed(Entry(0, 3, 1, 2), 0, 2, 1)]


def test_bins_are_numbered_anew():
    filling = fill(alike((4, 2)), bins(4, 9, 4), 0)  # both in the large bin
    assert filling.held.tolist() == [0, 2, 0]
    few = filling.of_bins(np.array([1]))
    assert (few.placed, few.held.tolist()) == ([Placed(Entry(0, 4, 2, 0), 0, 0, 2)], [2])


@pytest.mark.parametrize("most", [0, 6])
def test_the_same_twice(most):
    entries, capacities = alike((9, 30), (7, 30), (5, 30), prefix=(3, 2)), bins(*range(20, 60))
    one, two = fill(entries, capacities, most), fill(entries, capacities, most)
    assert one.placed == two.placed
    assert one.left == two.left

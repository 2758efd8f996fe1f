"""All of some regions into bins, or none: room for copies, limits of regions, classes apart."""

import numpy as np
import pytest

from kvplan.placement.arrangement import Arrangement, Weighed, fullest, packed, spans
from kvplan.placement.arranging import Arranger
from kvplan.placement.entries import Entries, Entry
from kvplan.placement.longest_run import first_of, longest_run, most_by_sums


def array(*values):
    return np.array(values, dtype=np.int64)


def arranger(entries, room, most=0):
    table = Entries.of(entries)
    return Arranger(table, array(*room), most), table.numbers


def contents(arrangement):
    """Regions of each entry in each bin."""
    found = {}
    for entry, bin, number in zip(*(column.tolist() for column in arrangement.rows()), strict=True):
        found[bin, entry] = found.get((bin, entry), 0) + number
    return found


def test_bins_are_told_by_their_number():
    # The largest bin, number 1, opens first; 7 + 3 fill it, 4 goes into the next, number 2.
    one, numbers = arranger([Entry(0, 4, 1, 0), Entry(0, 7, 1, 1), Entry(0, 3, 1, 2)], [3, 10, 5])
    found = one.arrange(numbers)
    assert (found.missing, found.bins_used, contents(found)) == (0, 2, {(1, 1): 1, (1, 2): 1, (2, 0): 1})


def test_entries_of_one_size_are_taken_in_their_order():
    one, numbers = arranger([Entry(0, 5, 3, 0), Entry(1, 5, 2, 3)], [10, 10, 10])
    assert contents(one.arrange(numbers)) == {(0, 0): 2, (1, 0): 1, (1, 1): 1, (2, 1): 1}


@pytest.mark.parametrize(
    ("entries", "room", "missing"),
    [
        ([Entry(0, 11, 3, 0)], [10, 10], 3),  # too large
        ([Entry(0, 5, 6, 0)], [10, 10], 2),  # 30 of 20 blocks: a third of them
        ([Entry(0, 6, 3, 0)], [10, 10], 1),  # no two beside each other
        ([Entry(0, 6, 3, 0)], [], 3),
    ],
)
def test_how_many_are_missing_about(entries, room, missing):
    one, numbers = arranger(entries, room)
    found = one.arrange(numbers)
    assert (found.missing, found.rows().entry.size) == (missing, 0)


def test_copies_are_kept_room_for_or_come_along():
    # A copy for 100 regions is kept room for; one for each of 3 comes along: 5 more for each of them.
    many, few = Entry(0, 10, 100, 0, 7, 1), Entry(1, 20, 3, 100, 5, 3)
    one, numbers = arranger([many, few], [500] * 3)
    weights, reserved = one._weights(numbers)
    assert (weights.tolist(), reserved) == ([10, 25], 7)
    # Two copies of 7 can be in a bin where two regions may be.
    one, numbers = arranger([Entry(0, 10, 100, 0, 7, 9)], [500] * 60, most=2)
    assert one._weights(numbers)[1] in (0, 14)
    assert one.arrange(numbers).bins_used == 50


def test_a_limit_of_regions_is_a_least_weight():
    # ⌊1000 ÷ 5⌋ + 1 is 201: five do not fit, four do. With ⌊10 ÷ 5⌋ + 1 = 3 three fit: sizes are doubled, 2 × 10 ÷ 5 + 1.
    one, _ = arranger([Entry(0, 1, 1, 0)], [1000], most=4)
    assert one._least_weight(1) == (1, 201)
    one, _ = arranger([Entry(0, 1, 1, 0)], [10], most=4)
    assert one._least_weight(1) == (2, 5)
    assert arranger([Entry(0, 1, 1, 0)], [10])[0]._least_weight(1) == (1, 0)


def test_more_regions_than_may_be_are_missing():
    one, numbers = arranger([Entry(0, 1, 9, 0)], [100, 100], most=3)
    assert one.arrange(numbers).missing == 3


def test_one_class_after_another():
    # Copies of 60 of three classes are 180 of 100; apart each class has two bins of its own.
    one, numbers = arranger([Entry(index, 10, 8, 8 * index, 60, 1) for index in range(3)], [100] * 6)
    found = one.arrange(numbers)
    assert (found.missing, found.bins_used) == (0, 6)
    classes = {}
    for bin, entry in contents(found):
        classes.setdefault(bin, set()).add(entry)
    assert all(len(inside) == 1 for inside in classes.values())


def test_the_better_way_is_taken_where_it_is_looked_for():
    # Together: 30 of 100 for both copies, 7 regions a bin, 20 of them in 3 bins. Apart: 8 and 8 a bin, two bins each,
    # or 4; together is better. With copies of 45 together none fits; apart 5 a bin.
    one, numbers = arranger([Entry(0, 10, 10, 0, 15, 1), Entry(1, 10, 10, 10, 15, 1)], [100] * 9)
    assert one.arrange(numbers, thorough=True).bins_used == 3
    one, numbers = arranger([Entry(0, 10, 10, 0, 45, 1), Entry(1, 10, 10, 10, 45, 1)], [100] * 9)
    assert one.arrange(numbers, thorough=True).bins_used == 4


def test_rows_of_a_packing():
    weighed = Weighed(array(5, 9, 5), array(3, 1, 0))
    assert [column.tolist() for column in weighed.classes()] == [[5, 9], [3, 1]]
    filled = packed(*weighed.classes(), array(10, 10))
    assert (fullest(filled), filled.unplaced) == (2, 1)
    rows = weighed.rows(filled, array(7, 3))
    assert [column.tolist() for column in rows] == [[1, 0, 0], [7, 3, -1], [1, 2, 1]]
    assert spans(array(9, 9, 4, 0)) == [(9, 0, 2), (4, 2, 1), (0, 3, 1)]
    assert Arrangement(0).rows().entry.size == 0


def test_the_first_so_many():
    assert first_of(array(3, 0, 5), 4).tolist() == [3, 0, 1]
    assert first_of(array(3, 0, 5), 0).tolist() == [0, 0, 0]
    assert first_of(array(3, 0, 5), 99).tolist() == [3, 0, 5]


def test_sums_say_how_many_there_can_be():
    # 25 of 30 blocks: two of 10, and one of 5 after the third of 10 did not fit, which no run reaches.
    one, numbers = arranger([Entry(0, 10, 3, 0), Entry(0, 5, 2, 3)], [15, 10])
    assert most_by_sums(one, numbers) == 2
    one, numbers = arranger([Entry(0, 10, 2, 0), Entry(0, 0, 9, 2), Entry(0, 5, 2, 11)], [15, 10])
    assert most_by_sums(one, numbers) == 12
    one, numbers = arranger([Entry(0, 1, 50, 0)], [15, 10], most=4)
    assert most_by_sums(one, numbers) == 8
    one, numbers = arranger([Entry(0, 1 << 50, 1 << 40, 0)], [1 << 55] * 4)
    assert most_by_sums(one, numbers) == 128


def test_whole_levels_before_parts_of_one():
    # Three of 6 in bins of 10 are one a bin; of the next level, four of 4, one fits beside each.
    one, numbers = arranger([Entry(0, 6, 3, 0), Entry(0, 4, 4, 3), Entry(0, 1, 9, 7)], [10, 10, 10])
    run, spent = longest_run(one, numbers, [3, 7, 16], 10**6, thorough=True)
    assert sum(run.rows().number.tolist()) == 6
    assert spent > 0
    run, spent = longest_run(one, array(3, 3, 0), [3, 6], 10**6, thorough=True)
    assert (sum(run.rows().number.tolist()), spent) == (6, 0)
    run, _ = longest_run(one, array(3, 4, 9), [3, 7, 16], 0, thorough=False)  # no work is left: one run all the same
    assert sum(run.rows().number.tolist()) >= 3


def test_nothing_packs():
    one, numbers = arranger([Entry(0, 11, 3, 0)], [10])
    assert longest_run(one, numbers, [3], 10**6, thorough=True)[0].rows().entry.size == 0

"""Seats in native groups: as many as there is room for, each accelerator once, whole groups kept whole."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.topology import Part, Seats, Spot, crossings, part_of
from kvplan.spec.system import Fabric

RACK = Fabric(1, 2, 8, 8)  # an AL128: two native groups of 64


def free_of(fabric, *sizes):
    """Seats in which so many accelerators are free in each native group."""
    size = fabric.sizes[1]
    excluded = {group * size + number for group, free in enumerate(sizes) for number in range(size - free)}
    return Seats([Part(fabric, frozenset(excluded))])


def groups_of(spots, fabric):
    return [sorted({number // fabric.sizes[1] for number in spot.seat}) for spot in spots]


def test_ids_name_what_is_left_out():
    part = part_of(RACK, ["r0/g0/n0/a3", "r0/g1/n7", "r0/g1/n7/a0"])
    assert part.excluded == {3, *range(120, 128)}
    assert part.usable == 128 - 9
    assert part.group_of(63) == 0
    assert part.group_of(64) == 1
    assert part_of(RACK, ["r0"]).usable == 0


def test_seats_fill_a_group_before_the_next():
    # 64 = 8 × 8: eight seats of 8 in each group, in the order of numbers.
    seats = Seats([part_of(RACK, [])])
    taken = seats.take(0, 8, 100, crossing=False)
    assert [spot.seat for spot in taken] == [tuple(range(at, at + 8)) for at in range(0, 128, 8)]
    assert seats.usable == 0
    assert seats.take(0, 1, 1, crossing=True) == []


def test_a_seat_goes_where_least_is_free():
    # 64, 5 and 3 are free: a seat of 3 goes where 3 are, one more where 5 are, then the large group opens.
    fabric = Fabric(1, 3, 8, 8)
    taken = free_of(fabric, 64, 5, 3).take(0, 3, 3, crossing=False)
    assert groups_of(taken, fabric) == [[2], [1], [0]]


def test_large_groups_stay_whole():
    # Of 16 in each of two groups four are gone in the first: seats of 4 use up the first, one of 16 still fits.
    fabric = Fabric(1, 2, 2, 8)
    seats = free_of(fabric, 12, 16)
    seats.take(0, 4, 3, crossing=False)
    assert seats.room(0, 16, crossing=False) == 1


def test_required_is_inside_one_group():
    # 72 = 64 + 8: with seats of 16 four of a group of 64, and 4 × 16 + 8 of 72.
    seats = Seats([part_of(Fabric(2, 1, 9, 8), [])])
    assert seats.room(0, 16, crossing=False) == 8
    taken = seats.take(0, 16, 100, crossing=False)
    assert len(taken) == 8
    assert all(crossings(seats.parts[0], spot.seat) == 0 for spot in taken)
    assert seats.usable == 2 * 8


def test_a_seat_that_no_group_holds():
    seats = Seats([part_of(RACK, [])])
    assert seats.room(0, 96, crossing=False) == 0
    assert seats.take(0, 96, 1, crossing=False) == []
    (spot,) = seats.take(0, 96, 1, crossing=True)
    assert crossings(seats.parts[0], spot.seat) == 1
    assert seats.room(0, 96, crossing=True) == 0
    assert seats.room(0, 32, crossing=False) == 1


def test_one_rack_before_several():
    # Two racks of two groups of 4. Free: 3, 3 | 1, 4. A seat of 5 lies in one rack; the first is one step from either.
    fabric = Fabric(2, 2, 1, 4)
    seats = free_of(fabric, 3, 3, 1, 4)
    assert groups_of(seats.take(0, 5, 1, crossing=True), fabric) == [[2, 3]]  # 5 are free there, 6 in the other
    assert groups_of(seats.take(0, 5, 1, crossing=True), fabric) == [[0, 1]]
    assert seats.usable == 1
    # No rack holds 7 of 3, 3 | 1, 4: the groups with most.
    assert groups_of(free_of(fabric, 3, 3, 1, 4).take(0, 7, 1, crossing=True), fabric) == [[0, 3]]


def test_few_groups_before_a_full_rack():
    # Racks of four groups of 4. The first has 8 free in 4 groups, the second 16: a seat of 8 touches two there.
    fabric = Fabric(2, 4, 1, 4)
    seats = free_of(fabric, 2, 2, 2, 2, 4, 4, 4, 4)
    assert groups_of(seats.take(0, 8, 1, crossing=True), fabric) == [[4, 5]]


def test_the_end_of_a_crossing_seat_goes_where_least_is_enough():
    # 8, 8 and 3 are free: 11 are a whole group and the three; the other stays whole.
    fabric = Fabric(1, 3, 1, 8)
    seats = free_of(fabric, 8, 8, 3)
    assert groups_of(seats.take(0, 11, 1, crossing=True), fabric) == [[0, 2]]
    assert seats.room(0, 8, crossing=False) == 1


def test_what_is_given_is_taken():
    seats = Seats([part_of(RACK, []), part_of(RACK, ["r0/g1"])])
    seats.give(Spot(0, (0, 1, 2)))
    seats.give(Spot(1, (5,)))
    assert seats.usable == 128 - 3 + 64 - 1
    assert seats.room(0, 64, crossing=False) == 1
    assert seats.room(1, 64, crossing=False) == 0
    assert not {0, 1, 2} & {number for spot in seats.take(0, 1, 200, crossing=False) for number in spot.seat}


def test_a_copy_is_its_own():
    seats = Seats([part_of(RACK, [])])
    seats.give(Spot(0, (7,)))
    other = seats.copy()
    assert other.usable == 127
    other.take(0, 64, 1, crossing=False)
    assert (seats.usable, other.usable) == (127, 63)


def test_no_racks():
    seats = Seats([part_of(Fabric(0, 2, 8, 8), [])])
    assert (seats.usable, seats.room(0, 1, crossing=True)) == (0, 0)
    assert seats.take(0, 1, 5, crossing=True) == []
    assert Seats([]).usable == 0


def test_a_fleet_of_single_accelerators():
    # 2^17 groups of one: every seat of two crosses, and all are found.
    seats = Seats([part_of(Fabric(1 << 17, 1, 1, 1), [])])
    taken = seats.take(0, 2, 1 << 16, crossing=True)
    assert len(taken) == 1 << 16
    assert seats.usable == 0
    seats = Seats([part_of(Fabric(1, 1 << 17, 1, 1), [])])
    assert len(seats.take(0, 2, 1 << 16, crossing=True)) == 1 << 16


fabrics = st.builds(Fabric, st.integers(0, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 4))


@st.composite
def parts(draw):
    fabric = draw(fabrics)
    numbers = st.integers(0, max(0, fabric.total - 1))
    excluded = draw(st.frozensets(numbers, max_size=8)) if fabric.total else frozenset()
    return Part(fabric, excluded)


@settings(max_examples=200, deadline=None)
@given(part=parts(), wishes=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 6), st.booleans()), max_size=6))
def test_every_accelerator_is_used_once(part, wishes):
    seats, used = Seats([part]), []
    for size, count, crossing in wishes:
        room = seats.room(0, size, crossing=crossing)
        assert used or room == part.room(size, crossing=crossing)
        assert room == len(seats.copy().take(0, size, part.fabric.total, crossing=crossing))
        taken = seats.take(0, size, count, crossing=crossing)
        assert len(taken) == min(count, room)
        for spot in taken:
            assert len(set(spot.seat)) == size
            assert tuple(sorted(spot.seat)) == spot.seat
            assert crossing or crossings(part, spot.seat) == 0
            used += spot.seat
    assert len(used) == len(set(used))
    assert not part.excluded & set(used)
    assert set(used) <= set(range(part.fabric.total))
    assert seats.usable == part.usable - len(used)


@settings(max_examples=200, deadline=None)
@given(part=parts(), size=st.integers(1, 9), count=st.integers(1, 5))
def test_required_seats_are_all_there_could_be(part, size, count):
    free = Counter(part.group_of(number) for number in range(part.fabric.total) if number not in part.excluded)
    best = sum(many // size for many in free.values())
    assert len(Seats([part]).take(0, size, count, crossing=False)) == min(count, best)


def fewest(free, size, count):
    """The fewest crossings of so many seats over groups with so many free, by trying everything."""
    if not count:
        return 0
    best = None
    names = [group for group, many in enumerate(free) if many]
    for touched in range(1, min(size, len(names)) + 1):
        for groups in combinations(names, touched):
            for share in shares(size, [free[group] for group in groups]):
                left = list(free)
                for group, many in zip(groups, share, strict=True):
                    left[group] -= many
                rest = fewest(tuple(left), size, count - 1)
                if rest is not None and (best is None or touched - 1 + rest < best):
                    best = touched - 1 + rest
    return best


def shares(size, most):
    """Ways to take a size of some groups, one of each at least."""
    if len(most) == 1:
        return [[size]] if 0 < size <= most[0] else []
    return [[one, *rest] for one in range(1, min(size, most[0]) + 1) for rest in shares(size - one, most[1:])]


@settings(max_examples=100, deadline=None)
@given(free=st.lists(st.integers(0, 4), min_size=1, max_size=4), size=st.integers(1, 6), count=st.integers(1, 3))
def test_one_seat_crosses_as_little_as_can_be(free, size, count):
    fabric = Fabric(1, len(free), 1, 4)
    seats, left = free_of(fabric, *free), Counter(dict(enumerate(free)))
    for _ in range(count):
        best = fewest([left[group] for group in range(len(free))], size, 1)
        taken = seats.take(0, size, 1, crossing=True)
        left -= Counter(seats.parts[0].group_of(number) for spot in taken for number in spot.seat)
        assert [crossings(seats.parts[0], spot.seat) for spot in taken] == ([] if best is None else [best])


@pytest.mark.parametrize(
    ("free", "size", "count"),
    [((4, 4, 4), 4, 3), ((4, 4, 4, 4), 6, 2), ((4, 4, 4, 4), 8, 2), ((3, 1, 4, 4), 4, 3), ((4, 4, 2, 2), 6, 2), ((3, 3, 2), 2, 4), ((4, 3, 3, 2), 3, 4)],
)  # fmt: skip
def test_crossings_of_several_seats_are_the_fewest(free, size, count):
    fabric = Fabric(1, len(free), 1, 4)
    seats = free_of(fabric, *free)
    taken = seats.take(0, size, count, crossing=True)
    assert len(taken) == count
    assert sum(crossings(seats.parts[0], spot.seat) for spot in taken) == fewest(free, size, count)


@settings(max_examples=100, deadline=None)
@given(free=st.lists(st.integers(0, 4), min_size=1, max_size=4), size=st.integers(1, 4), count=st.integers(1, 4))
def test_seats_that_need_not_cross_do_not(free, size, count):
    """As many seats are inside a group as there could be."""
    fabric = Fabric(1, len(free), 1, 4)
    seats = free_of(fabric, *free)
    inside = min(count, sum(many // size for many in free))
    taken = seats.take(0, size, count, crossing=True)
    assert sum(crossings(seats.parts[0], spot.seat) == 0 for spot in taken) >= inside
    assert len(taken) == min(count, sum(free) // size)

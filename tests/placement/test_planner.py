"""Replicas into seats, regions into replicas: who gets the seats, how many, and what is proved of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.placement.bounds import Bound
from kvplan.placement.filling import Entry
from kvplan.placement.planner import Asked, bound_of, fits, impossible, lay_out
from kvplan.placement.topology import part_of
from kvplan.spec.system import Fabric

RACK = part_of(Fabric(1, 2, 8, 8), [])  # an AL128: two native groups of 64


def asked(*entries, seat=8, instances=1, replicas=0, crossing=False, most=0, capacities=(100,)):
    """A deployment with entries (size, number) or (size, number, priority), the dearest first."""
    rows, first = [], 0
    for size, number, *_ in entries:
        rows.append(Entry(0, size, number, first))
        first += number
    priorities = tuple(entry[2] if len(entry) > 2 else 0 for entry in entries)
    return Asked(seat, instances, replicas, crossing, most, capacities, tuple(rows), priorities)


def groups_of(got, parts):
    return [{parts[spot.part].group_of(number) for number in spot.seat} for spot in got.spots]


def test_as_many_replicas_as_regions_need():
    # 21 regions of 30 in bins of 100: three a bin, so seven replicas of 8.
    (got,) = lay_out([RACK], [asked((30, 21))]).seated
    assert (len(got.spots), got.left) == (7, 0)
    assert got.filling.used.tolist() == [90] * 7
    assert [spot.seat[0] for spot in got.spots] == [0, 8, 16, 24, 32, 40, 48]


def test_replicas_are_whole_whatever_their_instances():
    # Five instances are needed; a replica has four: two replicas, of which three instances stay empty.
    (got,) = lay_out([RACK], [asked((100, 5), seat=32, instances=4)]).seated
    assert len(got.spots) == 2
    assert sorted(got.filling.held.tolist()) == [0, 0, 0, 1, 1, 1, 1, 1]


def test_replicas_asked_for_are_seated_even_empty():
    (got,) = lay_out([RACK], [asked((100, 5), replicas=9)]).seated
    assert (len(got.spots), got.left, got.filling.held.tolist()) == (9, 0, [1, 1, 1, 1, 1, 0, 0, 0, 0])
    layout = lay_out([RACK], [asked((100, 20), replicas=17)])  # there are 16 seats of 8
    assert (len(layout.seated[0].spots), layout.seated[0].left) == (16, 4)
    assert not layout.fits([asked((100, 20), replicas=17)])
    (got,) = lay_out([RACK], [asked(replicas=2)]).seated  # and without any region
    assert (len(got.spots), got.filling.used.tolist()) == (2, [0, 0])


def test_no_more_seats_than_hold_something():
    # 128 seats; the region of 101 fits none of them, the three others need one.
    (got,) = lay_out([RACK], [asked((101, 1), (30, 3), seat=1)]).seated
    assert (len(got.spots), got.left, got.filling.used.tolist()) == (1, 1, [90])
    (got,) = lay_out([RACK], [asked((101, 7), seat=1)]).seated
    assert (got.spots, got.left) == ([], 7)


def test_the_largest_rooms_first():
    # One part has room for 50, the other for 100: three regions of 50 need two replicas of the second.
    parts = [part_of(Fabric(1, 1, 1, 8), []), part_of(Fabric(1, 1, 2, 8), [])]
    (got,) = lay_out(parts, [asked((50, 3), capacities=(50, 100))]).seated
    assert [spot.part for spot in got.spots] == [1, 1]
    # Six need both and the first, eight would not fit: the regions of 60 only fit the second.
    (got,) = lay_out(parts, [asked((50, 5), capacities=(50, 100))]).seated
    assert [spot.part for spot in got.spots] == [1, 1, 0]
    (got,) = lay_out(parts, [asked((60, 3), (50, 1), capacities=(50, 100))]).seated
    assert ([spot.part for spot in got.spots], got.left) == ([1, 1, 0], 1)


def test_a_part_without_room_seats_nothing():
    # Weights leave nothing there, or do not fit at all: that a region has no size does not help.
    parts = [part_of(Fabric(1, 1, 1, 8), []), part_of(Fabric(1, 1, 1, 8), [])]
    for replicas in (0, 2):
        (got,) = lay_out(parts, [asked((5, 1), (0, 3), replicas=replicas, capacities=(0, 10))]).seated
        assert ([spot.part for spot in got.spots], got.left) == ([1], 0)
        (got,) = lay_out(parts, [asked((0, 3), replicas=replicas, capacities=(0, 0))]).seated
        assert (got.spots, got.left) == ([], 3)
        assert impossible(parts, [asked((0, 3), replicas=replicas, capacities=(0, 0))])


def test_a_part_where_the_engine_would_not_start_seats_nothing():
    parts = [part_of(Fabric(1, 1, 1, 8), []), part_of(Fabric(1, 1, 1, 8), [])]
    for replicas in (0, 2):
        want = replace(asked((5, 1), replicas=replicas, capacities=(20, 10)), starts=(False, True))
        (got,) = lay_out(parts, [want]).seated
        assert [spot.part for spot in got.spots] == [1]
        assert fits(parts, [want]) == (not replicas)
        assert impossible(parts, [want]) == bool(replicas)
    want = replace(asked((15, 1), capacities=(20, 10)), starts=(False, True))  # it fits where nothing starts
    assert impossible(parts, [want])


def test_nothing_to_place_on_and_nothing_to_place():
    none = part_of(Fabric(0, 2, 8, 8), [])
    for parts, capacities in (([], ()), ([none], (100,)), ([part_of(Fabric(1, 1, 1, 8), ["r0"])], (100,))):
        want = asked((5, 2), capacities=capacities)
        layout = lay_out(parts, [want])
        assert (layout.seated[0].spots, layout.seated[0].left, layout.fits([want])) == ([], 2, False)
        assert impossible(parts, [want])
        assert not fits(parts, [want])
        want = asked(capacities=capacities)
        assert lay_out(parts, [want]).fits([want])
        assert fits(parts, [want])
        assert not impossible(parts, [want])
    assert lay_out([RACK], []).seated == ()


def test_required_seats_lie_in_one_group_and_preferred_ones_may_cross():
    # 9 nodes of 8 are out of the groups: 64 − 40 and 64 − 32 are free. A seat of 56 crosses or is none.
    part = part_of(
        Fabric(1, 2, 8, 8), [f"r0/g0/n{node}" for node in range(5)] + [f"r0/g1/n{node}" for node in range(4)]
    )
    (got,) = lay_out([part], [asked((1, 1), seat=56)]).seated
    assert got.spots == []
    (got,) = lay_out([part], [asked((1, 1), seat=56, crossing=True)]).seated
    assert groups_of(got, [part]) == [{0, 1}]
    assert not part.excluded & {number for spot in got.spots for number in spot.seat}


def test_large_seats_before_small_ones():
    # One group of 64: a seat of 64 fits only before any other is taken.
    part = part_of(Fabric(1, 1, 8, 8), [])
    small, large = asked((100, 1), seat=1), asked((100, 1), seat=64)
    got_small, got_large = lay_out([part], [small, large]).seated
    assert (len(got_small.spots), len(got_large.spots)) == (0, 1)


def test_priorities_come_before_size_and_order():
    # Two seats of 64: the higher priority gets both, though the other deployment stands first or is larger.
    low, high = asked((100, 2, 0), seat=64), asked((100, 2, 1), seat=64)
    assert [got.left for got in lay_out([RACK], [low, high]).seated] == [2, 0]
    high = asked((100, 128, 1), seat=1)
    assert [got.left for got in lay_out([RACK], [low, high]).seated] == [2, 0]
    # Inside one priority the larger seats come first, of equal ones the first.
    assert [got.left for got in lay_out([RACK], [low, asked((100, 128), seat=1)]).seated] == [0, 128]
    assert [got.left for got in lay_out([RACK], [low, low]).seated] == [0, 2]


def test_priorities_are_strict_through_all_levels():
    # 16 seats of 8. By levels: 5 of b, 6 of a, then 5 of the 6 of b, and nothing of the last level of a.
    a, b = asked((100, 6, 2), (100, 3, 0)), asked((100, 5, 3), (100, 6, 1))
    got_a, got_b = lay_out([RACK], [a, b]).seated
    assert (len(got_a.spots), got_a.left, len(got_b.spots), got_b.left) == (6, 3, 10, 1)


def test_a_lower_priority_takes_what_a_higher_cannot_use():
    # The region of 101 fits nowhere and the seat of 65 no group: both are left, and keep nobody waiting.
    a, b = asked((101, 1, 9), (100, 1, 9)), asked((100, 15, 0))
    assert [got.left for got in lay_out([RACK], [a, b]).seated] == [1, 0]
    a = asked((100, 1, 9), seat=65)
    assert [got.left for got in lay_out([RACK], [a, b]).seated] == [1, 0]


def test_what_is_asked_for_comes_before_what_grows():
    # The fixed deployment has its seats although its regions are less dear.
    grows, fixed = asked((100, 16, 5)), asked((100, 1, 0), replicas=10)
    got_grows, got_fixed = lay_out([RACK], [grows, fixed]).seated
    assert (len(got_fixed.spots), len(got_grows.spots), got_grows.left) == (10, 6, 10)


def test_jobs_of_a_queue_in_a_rack():
    # As in Kueue's example of topology-aware scheduling: blocks of racks of hosts. Two groups of 64 with jobs of 48,
    # 32, 24 and 16: 48 + 16 and 32 + 24 leave 8 where a job of 8 fits; in the order of arrival no group had 48 free.
    jobs = [asked((1, 1), seat=seat) for seat in (16, 32, 24, 48, 8)]
    layout = lay_out([RACK], jobs)
    assert layout.fits(jobs)
    assert sorted(min(group) for got in layout.seated for group in groups_of(got, [RACK])) == [0, 0, 1, 1, 1]
    assert sum(len(spot.seat) for got in layout.seated for spot in got.spots) == 128


def test_no_limit_is_passed():
    # 7 regions an instance, two instances a replica: 50 regions need 8 instances, 4 replicas.
    want = asked((1, 50), seat=16, instances=2, most=7)
    (got,) = lay_out([RACK], [want]).seated
    assert (len(got.spots), got.left) == (4, 0)
    assert max(got.filling.held.tolist()) <= 7
    assert bound_of(want, 0).bound == Bound(8, "l1", "count", 7)


def test_bounds():
    # 21 × 30 ÷ 100 is 7 bins by the sum; 51 of each of 20 bins stand alone.
    assert bound_of(asked((30, 21)), 0).accelerators == 7 * 8
    found = bound_of(asked((51, 20), seat=4, instances=3), 0)
    assert (found.bound.kind, found.instances, found.replicas, found.accelerators) == ("l2", 20, 7, 28)
    # What fits no bin is not counted; without regions nothing is.
    assert bound_of(asked((101, 5)), 0)[2:] == (0, 0, 0)
    assert bound_of(asked(), 0)[:2] == (Bound(0, "l1", "none"), 100)
    # Replicas that are asked for are the bound.
    assert bound_of(asked((30, 1), replicas=5), 0)[2:] == (1, 5, 40)
    # Every bin holds a copy of 10 at least: 90 are left for regions of 45.
    want = Asked(8, 1, 0, False, 0, (100,), (Entry(0, 45, 9, 0, 10, 1), Entry(1, 45, 2, 9, 20, 1)), (0, 0))
    assert bound_of(want, 0)[1:3] == (90, 6)
    # A class that shares nothing needs no copy.
    want = Asked(8, 1, 0, False, 0, (100,), (Entry(0, 45, 9, 0, 10, 1), Entry(1, 45, 2, 9, 20, 0)), (0, 0))
    assert bound_of(want, 0).capacity_blocks == 100
    # More than 2**62 blocks in all are still counted.
    assert bound_of(asked((1 << 40, 1 << 40), capacities=(1 << 41,)), 0).instances == 1 << 39


def test_what_is_impossible():
    assert not impossible([RACK], [asked((30, 21))])
    assert impossible([RACK], [asked((101, 1))])  # a region above every room
    assert impossible([RACK], [asked((51, 17))])  # 17 of 16 seats
    assert impossible([RACK], [asked((1, 1), seat=65)])  # no seat
    assert not impossible([RACK], [asked((1, 1), seat=65, crossing=True)])
    assert impossible([RACK], [asked((1, 5), replicas=1, most=4)])
    assert impossible([RACK], [asked((100, 16)), asked((100, 1), seat=1)])  # 129 accelerators in all
    assert impossible([RACK], [asked(replicas=17)])
    assert impossible([RACK], [asked((1 << 40, 1 << 40), capacities=(1 << 41,))])
    prefixed = Asked(8, 1, 0, False, 0, (100,), (Entry(0, 60, 1, 0, 50, 1),), (0,))
    assert impossible([RACK], [prefixed])


@st.composite
def questions(draw):
    """A small fleet and one to three deployments."""
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        fabric = Fabric(*(draw(st.integers(0 if place == 0 else 1, 3)) for place in range(4)))
        parts.append(part_of(fabric, draw(st.sampled_from([[], ["r0/g0/n0"], ["r0/g0/n0/a0", "r1"]]))))
    wants = []
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(0, 2)), max_size=5))
        rows = sorted(rows, key=lambda row: -row[2])
        instances = draw(st.integers(1, 2))
        wants.append(
            asked(
                *rows,
                seat=instances * draw(st.integers(1, 3)),
                instances=instances,
                replicas=draw(st.sampled_from([0, 0, 1, 3])),
                crossing=draw(st.booleans()),
                most=draw(st.sampled_from([0, 0, 5])),
                capacities=tuple(draw(st.integers(0, 60)) for _ in parts),
            )
        )
    return parts, wants


@settings(max_examples=150, deadline=None)
@given(question=questions())
def test_what_a_layout_keeps(question):
    parts, wants = question
    layout = lay_out(parts, wants)
    used = [(spot.part, number) for got in layout.seated for spot in got.spots for number in spot.seat]
    assert len(used) == len(set(used))
    assert not any(number in parts[part].excluded for part, number in used)
    for want, got in zip(wants, layout.seated, strict=True):
        assert all(len(spot.seat) == want.seat for spot in got.spots)
        assert want.crossing or all(len(groups) == 1 for groups in groups_of(got, parts))
        assert not want.replicas or len(got.spots) <= want.replicas
        capacities = [want.capacities[spot.part] for spot in got.spots for _ in range(want.instances)]
        assert all(blocks <= room for blocks, room in zip(got.filling.used.tolist(), capacities, strict=True))
        held = got.filling.held.reshape(len(got.spots), want.instances).sum(axis=1)
        assert want.replicas or bool((held > 0).all())  # no replica is idle
        assert got.filling.regions_placed + got.left == want.regions
        found = bound_of(want, int((got.filling.held > 0).sum()) if not got.left else 0)
        assert got.left or found.instances <= (got.filling.held > 0).sum()
        assert got.left or found.replicas <= len(got.spots) or want.replicas
    fit = layout.fits(wants)
    assert fits(parts, wants) == fit
    assert not (fit and impossible(parts, wants))


@settings(max_examples=100, deadline=None)
@given(question=questions(), data=st.data())
def test_more_never_proves_less(question, data):
    """More room or more racks never raise the bound, and what is impossible was so before."""
    parts, wants = question
    roomier = [
        replace(want, capacities=tuple(room + data.draw(st.integers(0, 9)) for room in want.capacities))
        for want in wants
    ]
    for before, after in zip(wants, roomier, strict=True):
        fitting = [entry for entry in before.entries if entry.size_blocks <= before.capacity]
        if len(fitting) == len(before.entries):
            assert bound_of(after, 0).instances <= bound_of(before, 0).instances
    assert impossible(parts, wants) or not impossible(parts, roomier)
    more = [part_of(part.fabric._replace(racks=part.fabric.racks + 1), []) for part in parts]
    assert impossible(parts, wants) or not impossible(more, wants)


@settings(max_examples=100, deadline=None)
@given(question=questions())
def test_a_left_over_region_kept_no_seat_from_a_higher_one(question):
    """With seats of one size: where a region is left over that a free instance held, lower ones got no seat for it."""
    parts, wants = question
    wants = [replace(want, seat=1, instances=1, replicas=0, crossing=False) for want in wants]
    wants = [want for want in wants if all(want.capacities)]
    whole = lay_out(parts, wants)
    for level in range(3):
        cut = []
        for want in wants:
            keep = [index for index, priority in enumerate(want.priorities) if priority >= level]
            entries, priorities = (tuple(values[index] for index in keep) for values in (want.entries, want.priorities))
            cut.append(replace(want, entries=entries, priorities=priorities))
        alone = lay_out(parts, cut)
        if alone.fits(cut):
            for want, got in zip(wants, whole.seated, strict=True):
                left = [want.priorities[want.entries.index(piece.entry)] for piece in got.filling.left]
                assert all(priority < level for priority in left)


@pytest.mark.parametrize("seat", [1, 8])
def test_ten_million_regions_on_a_thousand_racks(seat):
    # 4096 sizes of 1 … 4096, 2441 each: 9 998 336 regions, 2441 × 4096 × 4097 ÷ 2 blocks, in bins that 99 % of fill.
    parts = [part_of(Fabric(1000, 2, 8, 8), [])]
    blocks = 2441 * 4096 * 4097 // 2
    capacity = blocks * 100 // 99 // (128_000 // seat)
    want = asked(*((size, 2441) for size in range(4096, 0, -1)), seat=seat, capacities=(capacity,))
    (got,) = lay_out(parts, [want]).seated
    assert (got.left, got.filling.regions_placed) == (0, 2441 * 4096)
    assert int(got.filling.used.sum()) == blocks
    assert bound_of(want, 0).instances <= len(got.spots) <= 128_000 // seat


def test_a_million_times_too_many():
    parts = [part_of(Fabric(100, 2, 8, 8), [])]
    want = asked(*((size, 1 << 40) for size in range(4096, 0, -1)), seat=8, capacities=(100_000,))
    layout = lay_out(parts, [want])
    assert len(layout.seated[0].spots) == 1600
    assert layout.seated[0].left == (4096 << 40) - layout.seated[0].filling.regions_placed
    assert not fits(parts, [want])
    assert impossible(parts, [want])

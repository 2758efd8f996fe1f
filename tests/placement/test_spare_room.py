"""Regions into whatever room bins have: counted with the copies that they bring, the fullest bin first."""

import numpy as np

from kvplan.placement.entries import Entries, Entry, Rows
from kvplan.placement.spare_room import SpareRoom


def array(*values):
    return np.array(values, dtype=np.int64)


def spare(entries, capacities, most=0):
    return SpareRoom(Entries.of(entries), array(*capacities), most)


def test_the_fullest_bin_first():
    room = spare([Entry(0, 4, 5, 0)], [9, 4, 3, 8])
    assert room.squeeze(0, 5) == 0
    assert room.held.tolist() == [2, 1, 0, 2]
    assert room.room.tolist() == [1, 0, 3, 0]
    assert room.squeeze(0, 1) == 1


def test_what_is_put_counts_its_copies():
    # Three regions and two copies of 5; two more regions bring none.
    room = spare([Entry(0, 10, 9, 0, 5, 2)], [100, 100])
    room.put(Rows(array(0, 0), array(1, 1), array(1, 2)))
    assert room.room.tolist() == [100, 60]
    room.put(Rows(array(0), array(1), array(2)))
    assert (room.room.tolist(), room.held.tolist()) == ([100, 40], [0, 5])
    room.put(Rows(*(array() for _ in range(3))))
    assert len(room.rows) == 2


def test_copies_are_paid_for_once():
    # 27: 10 + 5, then 10 without a copy: two; in 24 one.
    room = spare([Entry(0, 10, 9, 0, 5, 1)], [27, 24])
    assert room.squeeze(0, 9) == 6
    assert (room.held.tolist(), room.room.tolist()) == ([2, 1], [2, 9])
    # With more copies than regions every one pays.
    room = spare([Entry(0, 10, 9, 0, 5, 9)], [27, 24])
    assert room.squeeze(0, 9) == 7


def test_no_more_than_may_be():
    room = spare([Entry(0, 1, 9, 0), Entry(1, 0, 9, 9)], [100, 100], most=3)
    assert room.squeeze(0, 4) == 0
    assert room.squeeze(1, 9) == 7
    assert room.held.tolist() == [3, 3]


def test_what_fits_nowhere_is_not_looked_for_again():
    # 8 does not fit beside a copy of 3, nor does 9; 7 does, though less room is left by then.
    entries = [Entry(0, 8, 1, 0, 3, 1), Entry(0, 9, 1, 1, 3, 1), Entry(1, 2, 1, 2), Entry(0, 7, 1, 3, 3, 1)]
    room = spare(entries, [10, 10])
    assert [room.squeeze(entry, 1) for entry in range(4)] == [1, 1, 0, 0]
    assert sorted(room.room.tolist()) == [0, 8]


def test_many_bins_are_looked_at_in_pieces():
    # 5000 bins of 1 … 5000: of 2500 in each of the upper half one, in the last two.
    room = spare([Entry(0, 2500, 3000, 0)], range(1, 5001))
    assert room.squeeze(0, 3000) == 3000 - 2502
    assert room.room.max() == 2499
    rows = room.told()
    assert int(rows.number.sum()) == 2502

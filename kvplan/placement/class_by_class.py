"""One class after another into bins, so that few classes share a bin and few bins hold copies of a prefix.

Where prefixes are large and classes many, room for the copies of all of them in every bin is more than a bin has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kvplan.placement.arrangement import Arrangement, Weighed, fullest, packed, spans
from kvplan.placement.best_fit import UNPLACED
from kvplan.placement.entries import BoolArray, Entries, IntArray, Rows, exact_product, joined
from kvplan.placement.two_ends import fill_from_both_ends
from kvplan.units import ceil_div

_FEW = 16  # begun bins that a class is put into, where bins may hold so many regions and no more


def class_by_class(entries: Entries, numbers: IntArray, room: IntArray, most: int) -> Arrangement:
    """The class with the largest copies first: into bins that are begun, then into empty ones.

    numbers: of each entry, shape (e,). room: blocks of each bin, shape (b,). most: regions of a bin; 0 for no limit.
    """
    beyond = exact_product(entries.sizes, numbers) - int(room.sum())
    if beyond > 0:
        return Arrangement(ceil_div(beyond * int(numbers.sum()), beyond + int(room.sum())))
    room, held = room.copy(), np.zeros(room.size, dtype=np.int64)
    told, missing = list[Rows](), 0
    for one in _classes(entries, numbers, most, int(room.max(initial=0))):
        left, weights = np.where(one.members, numbers, 0), entries.sizes + one.along
        for bins, slots in _bins(room, held, most, one.reserved):
            if left.any() and bins.size:
                rows = _into(Weighed(weights, left), bins, room[bins] - one.reserved, slots)
                more = np.zeros(room.size, dtype=np.int64)
                np.add.at(more, rows.bin, rows.number)
                np.subtract.at(room, rows.bin, entries.sizes[rows.entry] * rows.number)
                np.subtract.at(left, rows.entry, rows.number)
                room -= np.minimum(more, one.prefixes) * one.copy
                held += more
                told.append(rows)
        missing += int(left.sum())
    return Arrangement(missing) if missing else Arrangement(0, int((held > 0).sum()), joined(told))


def _bins(room: IntArray, held: IntArray, most: int, reserved: int) -> list[tuple[IntArray, int]]:
    """Bins that are packed together, and how many regions may go into one of them; 0 for no limit. Empty ones last.

    Begun ones that have room for twice the copies; where there is a limit, a few that have most room, each by itself.
    """
    begun, empty = np.flatnonzero((held > 0) & (room >= 2 * reserved)), np.flatnonzero((held == 0) & (room >= reserved))
    if not most:
        return [(begun, 0), (empty, 0)]
    begun = begun[held[begun] < most]
    few = begun[np.argsort(-room[begun], kind="stable")][:_FEW]
    return [*((few[at : at + 1], most - int(held[few[at]])) for at in range(few.size)), (empty, most)]


class _Class(NamedTuple):
    """The regions of one class: which entries they are, its prefixes, and what a copy takes. [blocks]

    along: what every region weighs more, or reserved: what is kept free in every bin; whichever needs fewer bins.
    """

    members: BoolArray
    prefixes: int
    copy: int
    along: int
    reserved: int


def _classes(entries: Entries, numbers: IntArray, most: int, largest: int) -> Iterator[_Class]:
    """Classes by what their copies take in a bin, the most first; those without prefixes last, as one."""
    some = np.flatnonzero((numbers > 0) & (entries.prefixes > 0))
    _, first = np.unique(entries.classes[some], return_index=True)
    found: list[_Class] = []
    for at in some[np.sort(first)].tolist():  # by the dearest region, for names say nothing
        members = (entries.classes == entries.classes[at]) & (numbers > 0)
        regions, area = int(numbers[members].sum()), exact_product(entries.sizes[members], numbers[members])
        prefixes, copy = int(entries.prefixes[at]), int(entries.prefix_blocks[at])
        reserved = min(prefixes, regions, most or regions) * copy
        cheap = largest > reserved and area * largest <= (area + regions * copy) * (largest - reserved)
        found.append(_Class(members, prefixes, copy, 0 if cheap else copy, reserved if cheap else 0))
    yield from sorted(found, key=lambda one: -max(one.reserved, one.copy))
    without = (entries.prefixes == 0) & (numbers > 0)
    if without.any():
        yield _Class(without, 0, 0, 0, 0)


def _into(weighed: Weighed, bins: IntArray, room: IntArray, most: int) -> Rows:
    """Rows of what finds room. bins, room: in any order, shape (b,). most: regions of a bin; 0 for no limit."""
    order = np.argsort(-room, kind="stable")
    weights, counts = weighed.classes()
    filled = packed(weights, counts, room[order])
    if most and fullest(filled) > most:
        filled = fill_from_both_ends(weights, counts, spans(room[order]), most)
    rows = weighed.rows(filled, bins[order])
    placed = rows.bin != UNPLACED
    return Rows(*(column[placed] for column in rows))

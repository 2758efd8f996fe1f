"""Regions of one deployment into its instances: all if they fit, else the dearest first; what is left over is told.

Knows entries (regions alike) and bins with room and a limit of regions. Does not know seats, bytes or facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kvplan.placement.arranging import Arranger
from kvplan.placement.best_fit import UNPLACED
from kvplan.placement.entries import NO_ROWS, Entries, Entry, IntArray, Rows
from kvplan.placement.longest_run import longest_run
from kvplan.placement.spare_room import SpareRoom
from kvplan.units import MAX_INTEGER

__all__ = ["Entry", "Filling", "Placed", "Spans", "fill"]

_WORK = 400_000  # classes, bins and runs looked at in search of the longest run of regions that packs
_ROUNDS = 8  # of that search, each in the room that the last one left
_WORTH = 20  # a round is made where one part in so many of the room is free


class Placed(NamedTuple):
    """Regions of one entry in one bin: the first of them, and how many."""

    entry: Entry
    bin: int
    first_region: int
    number: int


class Spans(NamedTuple):
    """Neighbouring regions of one entry in one bin, by their first region, shape (s,) each. entry: its index."""

    entry: IntArray
    bin: IntArray
    first_region: IntArray
    number: IntArray


@dataclass(frozen=True, eq=False)
class Filling:
    """What is where.

    used: blocks in each bin, copies included, shape (b,). held: regions in each, shape (b,).
    rows: what is in each bin. Of an entry the first regions are placed, in the order of its rows; the last are left.
    """

    entries: Entries
    rows: Rows
    used: IntArray
    held: IntArray

    @cached_property
    def placed_numbers(self) -> IntArray:
        """Regions of each entry that have a place, shape (e,)."""
        numbers = np.zeros_like(self.entries.numbers)
        np.add.at(numbers, self.rows.entry, self.rows.number)
        return numbers

    @property
    def regions_placed(self) -> int:
        """Regions with a place."""
        return int(self.placed_numbers.sum())

    @property
    def regions_left(self) -> int:
        """Regions without one."""
        return int(self.entries.numbers.sum()) - self.regions_placed

    @cached_property
    def spans(self) -> Spans:
        """What is in each bin, by region."""
        order = np.argsort(self.rows.entry, kind="stable")
        entry, bin, number = self.rows.entry[order], self.rows.bin[order], self.rows.number[order]
        new = (np.diff(entry, prepend=-1) != 0) | (np.diff(bin, prepend=-1) != 0)
        starts = np.flatnonzero(new)
        entry, bin = entry[starts], bin[starts]
        number = np.add.reduceat(number, starts) if starts.size else number
        before = np.cumsum(number) - number  # regions of all entries before
        of_entry = np.searchsorted(entry, entry)  # where the spans of its entry begin
        first = self.entries.first_regions[entry] + before - before[of_entry]
        by_region = np.argsort(first, kind="stable")
        return Spans(entry[by_region], bin[by_region], first[by_region], number[by_region])

    @cached_property
    def spans_left(self) -> Spans:
        """What is in no bin, by region; its bin is −1."""
        left = self.entries.numbers - self.placed_numbers
        entry = np.flatnonzero(left)
        first = self.entries.first_regions[entry] + self.placed_numbers[entry]
        entry = entry[np.argsort(first, kind="stable")]
        return Spans(entry, np.full(entry.size, UNPLACED), np.sort(first), left[entry])

    @property
    def placed(self) -> list[Placed]:
        """What is in each bin, by region."""
        return self._pieces(self.spans)

    @property
    def left(self) -> list[Placed]:
        """What has no place, by region."""
        return self._pieces(self.spans_left)

    def _pieces(self, spans: Spans) -> list[Placed]:
        written = self.entries.written
        columns = (column.tolist() for column in spans)
        return [Placed(written[entry], *rest) for entry, *rest in zip(*columns, strict=True)]

    @cached_property
    def held_of(self) -> dict[int, dict[int, int]]:
        """Class with prefixes ▸ bin ▸ its regions there."""
        found: dict[int, dict[int, int]] = {}
        shared = self.entries.prefixes[self.rows.entry] > 0
        columns = (self.entries.classes[self.rows.entry[shared]], self.rows.bin[shared], self.rows.number[shared])
        for number, bin, regions in zip(*(column.tolist() for column in columns), strict=True):
            held = found.setdefault(number, {})
            held[bin] = held.get(bin, 0) + regions
        return found

    def of_bins(self, kept: IntArray) -> Filling:
        """The same with only some bins, numbered anew; the others hold nothing."""
        numbers = np.full(self.used.size, UNPLACED)
        numbers[kept] = np.arange(kept.size)
        return Filling(self.entries, self.rows._replace(bin=numbers[self.rows.bin]), self.used[kept], self.held[kept])


def nothing() -> Filling:
    """No regions and no bins."""
    none = np.empty(0, dtype=np.int64)
    return Filling(Entries.of(()), NO_ROWS, none, none)


def fill(
    entries: Sequence[Entry] | Entries, capacities: IntArray, most: int, levels: IntArray | None = None
) -> Filling:
    """Entries, the dearest first, into bins.

    All are packed by best-fit-decreasing if that places all; else the longest run of the dearest for which a packing
    is found, then what still fits of the entry that it ends in, then the same with what follows. In the end every
    region that is left is put where there is room, the dearest first. So

    - a region that is left over fits no bin, and would fit none if all that is less dear than it were taken out;
    - of the regions of a priority and above as many are left over as if there were no lower one, or none.

    entries: in the order in which they are kept. capacities: blocks of each bin, shape (b,).
    most: regions of a bin; 0 for no limit. levels: the priority of each entry, falling, shape (e,); None for one.
    """
    table = entries if isinstance(entries, Entries) else Entries.of(entries)
    spare = SpareRoom(table, capacities, most)
    left = np.where(table.least_blocks <= capacities.max(initial=-1), table.numbers, 0)
    last = np.flatnonzero(np.diff(levels, append=MAX_INTEGER)) if levels is not None else np.arange(left.size)[-1:]
    work = _WORK
    for again in range(_ROUNDS):
        if not left.any() or (again and not _worth_it(spare, capacities, most, work)):
            break
        arranger, ends = Arranger(table, spare.room, most), np.unique(np.cumsum(left)[last])
        run, spent = longest_run(arranger, left, ends[ends > 0].tolist(), work, thorough=not again)
        rows = run.rows()
        spare.put(rows)
        np.subtract.at(left, rows.entry, rows.number)
        work -= spent
        _squeeze(spare, left, np.flatnonzero(left)[:1])
    _squeeze(spare, left, np.flatnonzero(left))
    return Filling(table, spare.told(), capacities - spare.room, spare.held)


def _worth_it(spare: SpareRoom, capacities: IntArray, most: int, work: int) -> bool:
    """Whether what is left is packed once more. Where bins may hold so many and no more, they no longer are alike."""
    free, room = spare.room.sum(dtype=np.float64), capacities.sum(dtype=np.float64)
    return not most and work > 0 and bool(free * _WORTH >= room)


def _squeeze(spare: SpareRoom, left: IntArray, entries: IntArray) -> None:
    """What fits of some entries, one after another; what does not is not looked at again."""
    some = entries[spare.entries.sizes[entries] <= spare.room.max(initial=-1)]
    for entry, number in zip(some.tolist(), left[some].tolist(), strict=True):
        spare.squeeze(entry, number)
    left[entries] = 0

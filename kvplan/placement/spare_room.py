"""Regions one entry after another into whatever room bins still have: what is left over then fits nowhere.

Knows how much room each bin really has, the copies that it holds included. Does not know why it is asked.
"""

from __future__ import annotations

import numpy as np

from kvplan.placement.entries import Entries, IntArray, Rows, joined

_LOOK = 1 << 10  # bins looked at together, more each time


class SpareRoom:
    """Bins, and what is put into them row by row.

    room: blocks that are free in each, shape (b,). held: regions in each, shape (b,).
    """

    def __init__(self, entries: Entries, capacities: IntArray, most: int) -> None:
        self.entries, self.most = entries, most
        self.room = capacities.copy()
        self.held = np.zeros(capacities.size, dtype=np.int64)
        self.rows: list[Rows] = []
        self._held_of: dict[int, IntArray] = {}  # class with prefixes ▸ regions of it in each bin
        self._order: IntArray = np.empty(0, dtype=np.int64)  # bins by room, the fullest first…
        self._were: IntArray = np.empty(0, dtype=np.int64)  # …as it was when they were put in order; it only shrinks
        self._looks = -1  # at bins since then; −1: they were not
        self._nowhere: dict[int, int] = {}  # class ▸ a size of it that fits no bin

    def put(self, rows: Rows) -> None:
        """Regions that fit where they are said to go, with the copies that they need there."""
        if not rows.entry.size:
            return
        self.rows.append(rows)
        self._looks = -1
        np.subtract.at(self.room, rows.bin, self.entries.sizes[rows.entry] * rows.number)
        np.add.at(self.held, rows.bin, rows.number)
        some = np.flatnonzero(self.entries.prefixes[rows.entry] > 0)
        classes, first = np.unique(self.entries.classes[rows.entry[some]], return_index=True)
        for number, entry in zip(classes.tolist(), rows.entry[some[first]].tolist(), strict=True):
            of_class = some[self.entries.classes[rows.entry[some]] == number]
            prefixes, before = int(self.entries.prefixes[entry]), self._held(number)
            after = before.copy()
            np.add.at(after, rows.bin[of_class], rows.number[of_class])
            more = np.minimum(after, prefixes) - np.minimum(before, prefixes)
            self.room -= more * self.entries.prefix_blocks[entry]
            self._held_of[number] = after

    def squeeze(self, entry: int, number: int) -> int:
        """So many regions of an entry into bins that have room, the fullest first.

        Returns: how many found none. A larger region of the class will not either: room only shrinks, and a copy that
        comes into a bin takes at least what the next region saves by it.
        """
        size = int(self.entries.sizes[entry])
        kind = int(self.entries.classes[entry]) if self.entries.prefixes[entry] else -1
        if size >= self._nowhere.get(kind, size + 1):
            return number
        if not 0 <= self._looks <= self._order.size:
            self._put_in_order()
        at, look = int(np.searchsorted(self._were, size)), _LOOK
        while number and at < self._order.size:
            bins = self._order[at : at + look]
            fits = self._fits(entry, bins, number)
            some = np.flatnonzero(fits)
            self._looks += bins.size - some.size
            at, look = at + look, 4 * look
            if some.size:
                number -= self._take(entry, bins[some], fits[some], number)
        if number:
            self._nowhere[kind] = size
        return number

    def _put_in_order(self) -> None:
        open_ = np.flatnonzero(self.held < self.most) if self.most else np.arange(self.room.size)
        order = np.argsort(self.room[open_], kind="stable")
        self._order = open_[order]
        self._were = self.room[self._order]
        self._looks = 0

    def _held(self, number: int) -> IntArray:
        """Regions of a class with prefixes in each bin, shape (b,)."""
        return self._held_of.setdefault(number, np.zeros(self.room.size, dtype=np.int64))

    def _fits(self, entry: int, bins: IntArray, number: int) -> IntArray:
        """How many more regions of an entry fit some bins, at most so many, with the copies that they bring."""
        size, copy = int(self.entries.sizes[entry]), int(self.entries.prefix_blocks[entry])
        room = self.room[bins]
        fits = np.zeros_like(room)
        beyond = room >= 0  # where no further copy is needed
        if copy:
            held = self._held(int(self.entries.classes[entry]))[bins]
            dear, cheap = np.maximum(self.entries.prefixes[entry] - held, 0), room // (size + copy)
            fits = np.minimum(dear, cheap)
            room -= fits * (size + copy)
            beyond = cheap >= dear
        fits += np.where(beyond, room // size if size else number, 0)
        fits = np.minimum(fits, number)
        return np.minimum(fits, self.most - self.held[bins]) if self.most else fits

    def _take(self, entry: int, bins: IntArray, fits: IntArray, number: int) -> int:
        """The first bins take what fits them, until so many are taken; returns how many are."""
        ends = np.minimum(np.cumsum(fits), number)
        taken = np.diff(ends, prepend=0)
        bins, taken = bins[taken > 0], taken[taken > 0]
        self.rows.append(Rows(np.full(bins.size, entry), bins, taken))
        self.room[bins] -= self.entries.sizes[entry] * taken
        self.held[bins] += taken
        if prefixes := int(self.entries.prefixes[entry]):
            held = self._held(int(self.entries.classes[entry]))
            more = np.minimum(held[bins] + taken, prefixes) - np.minimum(held[bins], prefixes)
            self.room[bins] -= more * self.entries.prefix_blocks[entry]
            held[bins] += taken
        return int(ends[-1])

    def told(self) -> Rows:
        """All that was put anywhere."""
        return joined(self.rows)

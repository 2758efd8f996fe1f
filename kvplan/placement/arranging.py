"""All of some regions into bins, or none: best-fit-decreasing, with room for the copies of prefixes that come along.

Knows entries, room and a limit of regions. Does not know which regions are dearer, or what becomes of the others.
"""

from __future__ import annotations

import numpy as np

from kvplan.placement.arrangement import Arrangement, Weighed, fullest, packed, spans
from kvplan.placement.class_by_class import class_by_class
from kvplan.placement.entries import NO_ROWS, Entries, IntArray, exact_product
from kvplan.placement.two_ends import fill_from_both_ends
from kvplan.units import MAX_INTEGER, ceil_div


class Arranger:
    """Arrangements of one list of entries in the same bins.

    room: blocks of each bin, shape (b,). most: regions of a bin; 0 for no limit.
    work: done so far: classes, bins and runs looked at.
    """

    def __init__(self, entries: Entries, room: IntArray, most: int) -> None:
        self.entries, self.most, self.work = entries, most, 0
        self.room = np.minimum(room, max(1, MAX_INTEGER // max(1, room.size)))  # so that no sum wraps
        self.order = np.argsort(-self.room, kind="stable")

    def arrange(self, numbers: IntArray, *, thorough: bool = False) -> Arrangement:
        """So many regions of each entry in as few bins as are found.

        All classes share the bins, with room for their copies; or, where that fails, one class is packed after
        another, so that copies of few classes are in a bin.

        numbers: shape (e,).
        thorough: also look for a packing better than best-fit-decreasing, and take the better of both ways.
        """
        regions = int(numbers.sum())
        if self.most and regions > self.most * self.room.size:
            return Arrangement(regions - self.most * self.room.size)
        found = self._together(numbers, thorough=thorough)
        some = numbers > 0
        classes = self.entries.classes[some]
        if (found.missing or thorough) and bool(self.entries.prefixes[some].any()) and classes.min() < classes.max():
            other = class_by_class(self.entries, numbers, self.room, self.most)
            self.work += 4 * int(some.sum()) + self.room.size  # several looks at every class
            found = min(found, other, key=lambda one: one.quality)
        return found

    def _together(self, numbers: IntArray, *, thorough: bool) -> Arrangement:
        """All classes in the same bins: as if there were no limit of regions; else with both ends in every bin.

        Or regions weigh no less than what lets no bin get too many; thoroughly, the better of these two.
        """
        weights, reserved = self._weights(numbers)
        room = self.room[self.order] - reserved
        room = room[room >= 0]
        plain = Weighed(weights, numbers)
        found = self._packed(plain, room, thorough=thorough)
        if not self.most or not found.packed or fullest(found.packed[1]) <= self.most:
            return found
        found = self._packed(plain, room, both_ends=True)
        if found.missing or thorough:
            scale, least = self._least_weight(int(numbers.sum()))
            heavy = Weighed(np.maximum(weights * scale, least), numbers)
            found = min(found, self._packed(heavy, room * scale, thorough=thorough), key=lambda one: one.quality)
        return found

    def _packed(
        self, weighed: Weighed, room: IntArray, *, thorough: bool = False, both_ends: bool = False
    ) -> Arrangement:
        """Weights into bins whose room falls; where they are too many or too large, about how many are."""
        weights, counts = weighed.classes()
        self.work += weights.size
        too_large = int(counts[np.searchsorted(weights, room.max(initial=-1), side="right") :].sum())
        if too_large:
            return Arrangement(too_large)
        total, most = exact_product(weights, counts), int(room.sum())
        if total > most:
            return Arrangement(ceil_div((total - most) * int(counts.sum()), total))
        if both_ends:
            filled = fill_from_both_ends(weights, counts, spans(room), self.most)
        else:
            filled = packed(weights, counts, room, thorough=thorough)
        self.work += filled.sizes.size
        if filled.unplaced:
            return Arrangement(filled.unplaced)
        return Arrangement(0, filled.used, NO_ROWS, (weighed, filled, self.order))

    def _weights(self, numbers: IntArray) -> tuple[IntArray, int]:
        """What a region of each entry counts as, and what is kept free in every bin for copies. [blocks]

        Room is kept for the copies of classes that have many regions a copy; a region of another class weighs one
        copy more. Between them: the fewest bins by the sums.
        """
        entries, largest = self.entries, int(self.room.max(initial=0))
        some = np.flatnonzero((numbers > 0) & (entries.prefixes > 0))
        if not some.size or not largest:
            return entries.sizes, 0
        classes, first, inverse = np.unique(entries.classes[some], return_index=True, return_inverse=True)
        regions = np.zeros(classes.size, dtype=np.int64)
        np.add.at(regions, inverse, numbers[some])
        copies = np.minimum(entries.prefixes[some[first]], regions)
        copies = np.minimum(copies, self.most) if self.most else copies
        table = zip(regions.tolist(), copies.tolist(), entries.prefix_blocks[some[first]].tolist(), strict=True)
        rows = sorted(enumerate(table), key=lambda row: (-row[1][0] / row[1][1], int(first[row[0]])))
        weight = exact_product(entries.least_blocks, numbers)
        fewest, chosen, reserved, room = weight / largest, 0, 0, largest
        for many, (_, (count, copy, blocks)) in enumerate(rows, 1):
            weight, room = weight - count * blocks, room - copy * blocks
            if room <= 0:
                break
            if weight / room < fewest:
                fewest, chosen, reserved = weight / room, many, largest - room
        kept = classes[[row[0] for row in rows[:chosen]]]
        return entries.sizes + entries.prefix_blocks * ~np.isin(entries.classes, kept), reserved

    def _least_weight(self, regions: int) -> tuple[int, int]:
        """What weights are multiplied by, and the least weight, so that no bin gets too many regions.

        Of the least weight ⌊C ÷ (m + 1)⌋ + 1, m + 1 regions do not fit the largest bin C.
        """
        largest = int(self.room.max(initial=0))
        if not self.most or not largest:
            return 1, 0
        scale = ceil_div(self.most * (self.most + 1), largest)  # so that m of them still fit
        if (largest + 1) * scale * max(self.room.size, regions) >= MAX_INTEGER:
            scale = 1
        return scale, largest * scale // (self.most + 1) + 1

"""Bins that may hold so many regions and no more: large regions beside small ones, so that neither limit is met alone.

Best-fit-decreasing fills the last bins with small regions only, and those are too many. Here every bin gets of the
largest and of the smallest what keeps the mean of the others as it is. Knows classes and spans of equal bins.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from kvplan.placement.best_fit import UNPLACED, Filled, Span
from kvplan.placement.entries import IntArray
from kvplan.units import ceil_div

_WORK = 400_000  # looks at a class; what is left then has no bin

Pattern = dict[int, int]  # how many regions of each size one bin holds


def fill_from_both_ends(sizes: IntArray, counts: IntArray, bins: Sequence[Span], most: int) -> Filled:
    """Regions into bins of which none gets more than the most; a pattern for as many bins as there are regions for it.

    sizes: distinct, 0 or more, ascending, shape (d,); with counts below 2**62. counts: of each, 1 or more, shape (d,).
    bins: empty bins, the largest first. most: 1 or more.
    Returns: runs of all regions, also of those without a bin.
    """
    return _Filling(sizes, counts, most).fill(bins)


class _Filling:
    def __init__(self, sizes: IntArray, counts: IntArray, most: int) -> None:
        self.sizes: list[int] = sizes.tolist()
        self.left: dict[int, int] = dict(zip(self.sizes, counts.tolist(), strict=True))
        self.most, self.work = most, _WORK
        self.regions, self.blocks = int(counts.sum()), int(sizes @ counts)
        self.runs = array("q"), array("q"), array("q"), array("q")

    def fill(self, bins: Sequence[Span]) -> Filled:
        for room, first, many in bins:
            while many and self.sizes and self.sizes[0] <= room and self.work > 0:
                pattern = self._pattern(room)
                times = min(many, min(self.left[size] // count for size, count in pattern.items()))
                for size, count in pattern.items():
                    self._take(size, first, times, count)
                first, many = first + times, many - times
        for size in list(self.sizes):
            self._take(size, UNPLACED, 1, self.left[size])
        columns = [np.array(column, dtype=np.int64) for column in self.runs]
        order = np.argsort(-columns[0], kind="stable")
        return Filled(*(column[order] for column in columns))

    def _take(self, size: int, first: int, bins: int, count: int) -> None:
        """Note a run, and drop the class if it is used up."""
        for column, value in zip(self.runs, (size, first, bins, count), strict=True):
            column.append(value)
        self.left[size] -= bins * count
        self.regions -= bins * count
        self.blocks -= bins * count * size
        if not self.left[size]:
            del self.left[size]
            del self.sizes[bisect_right(self.sizes, size) - 1]

    def _pattern(self, room: int) -> Pattern:
        """What goes into a bin: of the largest and the smallest as many as are as large as all on average, then more.

        One region at least. What is left of the room is used by a larger one in place of a small one, and, where
        there may be more, by the largest that still fit.
        """
        slots = min(self.most, self.regions, room * self.regions // self.blocks if self.blocks else self.most) or 1
        goal = min(room, ceil_div(slots * self.blocks, self.regions))
        small, large = self._end(self.sizes, slots), self._end(reversed(self.sizes), slots)
        many = bisect_right(range(1, slots + 1), goal, key=lambda one: large.sum(one) + small.sum(slots - one))
        pattern = large.first(many)
        for size, count in small.first(slots - many).items():
            pattern[size] = pattern.get(size, 0) + count
        room -= large.sum(many) + small.sum(slots - many)
        if many < slots:
            last = small.at(slots - many)
            pattern[last] -= 1
            room += last - self._largest(pattern, room + last, 1)
        self._largest(pattern, room, self.most - sum(pattern.values()))
        return {size: count for size, count in pattern.items() if count}

    def _largest(self, pattern: Pattern, room: int, slots: int) -> int:
        """The largest regions that fit beside a pattern; what they take."""
        at, taken = len(self.sizes), 0
        while slots and (at := bisect_right(self.sizes, room - taken, 0, at)):
            self.work -= 1
            size = self.sizes[at - 1]
            free = self.left[size] - pattern.get(size, 0)
            many = min(slots, free, (room - taken) // size if size else free)
            if many:
                pattern[size] = pattern.get(size, 0) + many
                taken, slots = taken + many * size, slots - many
            at -= many == free
        return taken

    def _end(self, sizes: Iterable[int], many: int) -> _End:
        """So many regions from one end of the sizes."""
        end, counts = _End([], [0], [0]), 0
        for size in sizes:
            self.work -= 1
            count = min(self.left[size], many - counts)
            counts += count
            end.sizes.append(size)
            end.counts.append(counts)
            end.sums.append(end.sums[-1] + count * size)
            if counts == many:
                break
        return end


class _End(NamedTuple):
    """Regions from one end: their sizes, and after each how many there are by then and what they take."""

    sizes: list[int]
    counts: list[int]
    sums: list[int]

    def sum(self, many: int) -> int:
        """What the first so many take."""
        if not many:
            return 0
        step = bisect_left(self.counts, many) - 1
        return self.sums[step] + (many - self.counts[step]) * self.sizes[step]

    def at(self, many: int) -> int:
        """The size of the last of so many."""
        return self.sizes[bisect_left(self.counts, many) - 1]

    def first(self, many: int) -> Pattern:
        """The first so many."""
        counts = zip(self.sizes, self.counts, self.counts[1:], strict=False)
        return {size: min(after, many) - before for size, before, after in counts if before < many}

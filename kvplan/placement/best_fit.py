"""Best-fit-decreasing on classes of equal sizes: exact, in steps that count bins and runs, not regions.

Knows classes and spans of equal bins. Does not know the order of regions (`packing.py`) or any bound (`bounds.py`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]
Span = tuple[int, int, int]  # equal bins with consecutive numbers: room of each, first number, how many

UNPLACED = -1  # the bin of regions that found no room


@dataclass(frozen=True, eq=False)
class Filled:
    """Where the regions of each class are.

    sizes, firsts, bins, counts: a run each: a size, the first of a span of bins, how many bins, regions in each;
        bin −1 is no bin; the largest sizes first, shape (r,).
    """

    sizes: IntArray
    firsts: IntArray
    bins: IntArray
    counts: IntArray

    @property
    def used(self) -> int:
        """Bins that hold a region: bins open in the order of their numbers."""
        return int((self.firsts + self.bins).max(initial=0, where=self.firsts != UNPLACED))

    @property
    def unplaced(self) -> int:
        """Regions without a bin."""
        return int(self.counts[self.firsts == UNPLACED].sum())

    def loads(self) -> IntArray:
        """What each used bin holds, shape (used,)."""
        placed = self.firsts != UNPLACED
        firsts, more = self.firsts[placed], (self.sizes * self.counts)[placed]
        change = np.zeros(self.used + 1, dtype=np.int64)
        np.add.at(change, firsts, more)
        np.subtract.at(change, firsts + self.bins[placed], more)
        return np.cumsum(change[:-1])


def best_fit(sizes: IntArray, counts: IntArray, bins: Iterable[Span]) -> Filled:
    """Each region, largest first, into the fullest open bin with room for it; ties to the lowest number.

    If no open bin has room, the largest empty one opens: best fit over empty bins would take small bins first and
    use more of them.

    sizes: distinct, 0 or more, ascending, shape (d,); with counts below 2**62.
    counts: regions of each size, 1 or more, shape (d,).
    bins: empty bins, the largest first.
    Returns: runs of all regions, also of those without a bin.
    Source: Johnson, Demers, Ullman, Garey and Graham, SIAM J. Computing 3 (1974) 299-325.
    """
    return _Filling(sizes, counts, bins).fill()


class _Filling:
    """One call of best_fit: a stack of bins that are awake, a heap of bins that are asleep.

    A bin sleeps while its room is below the size at hand. Sizes only fall, so what wakes is always fuller than what
    is awake, and the top of the stack is the best fit: no search, and all bins of a span move at once.
    """

    def __init__(self, sizes: IntArray, counts: IntArray, bins: Iterable[Span]) -> None:
        self.sizes, self.counts = array("q", sizes.tobytes()), array("q", counts.tobytes())
        self.below = array("q", [0])  # the sum of all smaller classes, for each class and for all
        self.below.frombytes(np.cumsum(sizes * counts).tobytes())
        self.empty = list(bins)[::-1]
        self.awake: list[Span] = []
        self.asleep: list[Span] = []  # −room, −first, bins: the emptiest wakes first, of equal ones the last number
        self.runs = array("q"), array("q"), array("q"), array("q")

    def fill(self) -> Filled:
        """All classes, the largest first."""
        awake, asleep, empty = self.awake, self.asleep, self.empty
        at = len(self.sizes)
        while at:
            at -= 1
            size, left = self.sizes[at], self.counts[at]
            while asleep and -asleep[0][0] >= size:
                room, first, many = heappop(asleep)
                awake.append((-room, -first, many))
            while left:
                if awake:
                    source = awake
                elif empty and empty[-1][0] >= size:
                    source = empty
                else:
                    self._note(size, UNPLACED, 1, left)
                    break
                room, first, many = source.pop()
                each = room // size if size else left  # best fit stays with a bin until it is full
                full = min(left // each, many)
                if full:
                    self._note(size, first, full, each)
                    heappush(asleep, (each * size - room, -first, full))
                    left -= full * each
                first, many = first + full, many - full
                alone = 1 if left and many else 0  # a bin that takes fewer than it has room for
                if many > alone:
                    source.append((room, first + alone, many - alone))
                if alone:
                    at = self._fill_one(at, left, room, first)
                    break
        return Filled(*(np.array(column, dtype=np.int64) for column in self.runs))

    def _note(self, size: int, first: int, bins: int, count: int) -> None:
        sizes, firsts, many, counts = self.runs
        sizes.append(size)
        firsts.append(first)
        many.append(bins)
        counts.append(count)

    def _fill_one(self, at: int, left: int, room: int, bin: int) -> int:
        """The last of a class into one bin, and the classes after it as long as they fit and no bin wakes.

        Returns: the class that was placed last.
        """
        self._note(self.sizes[at], bin, 1, left)
        room -= left * self.sizes[at]
        waking = -self.asleep[0][0] if self.asleep else -1
        if at and self.below[at] - self.below[at - 1] <= room and self.sizes[at - 1] > waking:
            last = max(bisect_left(self.below, self.below[at] - room, 0, at), bisect_right(self.sizes, waking, 0, at))
            sizes, firsts, many, counts = self.runs
            sizes.extend(self.sizes[last:at][::-1])
            firsts.extend(array("q", [bin]) * (at - last))
            many.extend(array("q", [1]) * (at - last))
            counts.extend(self.counts[last:at][::-1])
            room -= self.below[at] - self.below[last]
            at = last
        if room >= self.sizes[at]:
            self.awake.append((room, bin, 1))
        else:
            heappush(self.asleep, (-room, -bin, 1))
        return at

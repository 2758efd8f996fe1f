"""Bins filled to the brim, a pattern at a time: for the room that best-fit-decreasing leaves.

A pattern is what one bin holds. It is used for as many bins as there are regions for it, so that each pattern uses up a
class: the work goes with classes, not with regions. Knows what `best_fit.py` knows.
"""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np

from kvplan.placement.best_fit import UNPLACED, Filled, Span, best_fit

IntArray = np.ndarray[Any, np.dtype[np.int64]]
Pattern = dict[int, int]  # how many regions of each size

_FINE = 1 << 20  # units in the largest size, at most: tables have a place for each
_WORK, _WORK_A_CLASS, _MOST_WORK = 20_000, 40, 1_000_000  # in looks at a few hundred sizes, a few microseconds each
_A_PATTERN = 4  # what making one costs, in looks
_WINDOW = 256  # sizes looked at together
_THIRDS = 24  # regions tried beside each of which two may fill the bin
_FEW = 128  # classes of which all sums are looked at
_CLOSE = 20_000  # a packing within this part of the bound is good enough
_TURN = 40_503 / 65_536  # the golden ratio, but the same on every machine


class Choice(NamedTuple):
    """Which of the ways to fill a bin is taken.

    part: one region that leaves no more than this part of a bin comes before two that leave nothing; 0 is none.
    spread: pairs come before single regions, and from all sizes in turn, so that what is left stays as it was: where
        bins hold three or so. If not, the most equal pair is taken: the smallest regions, which fit anywhere, are left
        for the end.
    """

    part: int
    spread: bool


_CHOICES = Choice(0, spread=False), Choice(1024, spread=False), Choice(0, spread=True), Choice(512, spread=False)


def refilled(filled: Filled, sizes: IntArray, counts: IntArray, bins: list[Span], bound: int) -> Filled:
    """The best of a packing and of a few that fill bins exactly: fewest regions without a bin, then fewest bins.

    sizes: distinct, 0 or more, ascending, shape (d,). counts: regions of each size, 1 or more, shape (d,).
    bins: empty bins, the largest first, not none. bound: bins that no packing of all is below.
    """
    unit = int(np.gcd.reduce(sizes))
    if not unit or int(sizes[-1]) // unit > _FINE:
        return filled
    work = min(_WORK + _WORK_A_CLASS * sizes.size, _MOST_WORK)
    too_large = int(counts[sizes > bins[0][0]].sum())
    spans = [(capacity // unit, first, many) for capacity, first, many in bins]
    for choice in _CHOICES:
        refilling = Refilling(sizes // unit, counts, choice, work // 2)
        other = refilling.fill(spans)
        work -= work // 2 - refilling.work
        if (other.unplaced, other.used) < (filled.unplaced, filled.used):
            filled = Filled(other.sizes * unit, other.firsts, other.bins, other.counts)
        if filled.unplaced == too_large and filled.used <= bound + bound // _CLOSE:
            break
    return filled


class Refilling:
    """Bins one after another: the largest regions that are left, and what fills the rest of the bin.

    That is one region, or two or three that leave nothing. Where three do not do it, all sums of the classes are looked
    at if these are few; if not, what fits is taken. When the work is done `best_fit` places the rest.

    sizes: distinct, ascending, shape (d,). counts: regions of each size, 1 or more, shape (d,).
    work: looks at most.
    Source: exact fills after Gupta and Ho, Production Planning & Control 10 (1999) 598-603; a pattern for as many bins
        as it can be after Haessler, Management Science 17 (1971) 793-802; the order of choices is measured
        (docs/benchmarks.md).
    """

    def __init__(self, sizes: IntArray, counts: IntArray, choice: Choice, work: int) -> None:
        self.choice, self.work, self.spare, self.turn = choice, work, 0, 0.0
        self.runs = array("q")  # size, first, bins, count, again and again
        self.left: dict[int, int] = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
        self.zeros = self.left.pop(0, 0)
        sizes = sizes[sizes > 0]
        names = sizes.tolist()
        self.largest = names[-1]
        self.above = dict(zip([0, *names], [*names, self.largest + 1], strict=True))  # the next larger class
        self.here = np.zeros(self.largest + 1, dtype=np.bool_)  # whether there is a class of this size
        self.here[sizes] = True
        self.mirror = self.here[::-1].copy()  # the same from the largest down
        self.under = array("q", bytes(8 * (self.largest + 1)))  # the largest class of this size or less, 0 if none
        self._under = np.frombuffer(self.under, dtype=np.int64)  # the same memory
        self._under[sizes] = sizes
        np.maximum.accumulate(self._under, out=self._under)

    def fill(self, bins: list[Span]) -> Filled:
        """All regions, also those without a bin."""
        rest = bins[::-1]
        if self.zeros:
            self.runs.extend((0, rest[-1][1] if rest else UNPLACED, 1, self.zeros))
        while rest and self.left and self.work > 0:
            capacity, first, many = rest.pop()
            self.spare = capacity // self.choice.part if self.choice.part else 0
            while self.largest > capacity:
                self.runs.extend((self.largest, UNPLACED, 1, self.left[self.largest]))
                self._drop(self.largest)
            while many and self.left and self.work > 0:
                pattern = self._pattern(capacity)
                times = min(many, min(self.left[size] // count for size, count in pattern.items()))
                for size, count in pattern.items():
                    self.runs.extend((size, first, times, count))
                    self.left[size] -= count * times
                    if not self.left[size]:
                        self._drop(size)
                first, many = first + times, many - times
            if many:
                rest.append((capacity, first, many))
        return self._filled(rest[::-1])

    def _filled(self, rest: list[Span]) -> Filled:
        """The runs, the largest sizes first, with those of the regions that are left."""
        columns = np.array(self.runs, dtype=np.int64).reshape(-1, 4).T
        if self.left:
            left = np.array(sorted(self.left.items()), dtype=np.int64).T
            last = best_fit(np.ascontiguousarray(left[0]), np.ascontiguousarray(left[1]), rest)
            columns = np.hstack((columns, (last.sizes, last.firsts, last.bins, last.counts)))
        return Filled(*columns[:, np.argsort(-columns[0], kind="stable")])

    def _drop(self, size: int) -> None:
        """A class that is used up."""
        del self.left[size]
        below, above = self.under[size - 1], self.above.pop(size)
        self.above[below] = above
        self.here[size] = self.mirror[self.mirror.size - 1 - size] = False
        if size == self.largest:
            self.largest = below  # beyond it nobody looks
        else:
            self._under[size:above] = below

    def _pattern(self, capacity: int) -> Pattern:
        """What goes into a bin; its largest class at least."""
        self.work -= _A_PATTERN
        pattern, room = self._start(capacity)
        more = self._exactly(room, pattern)
        if more is None and len(self.left) <= _FEW:
            return self._fullest(pattern, room, capacity)
        if more is None:
            more = self._reopened(room, pattern) or self._loosely(room, pattern)
        for size in more:
            pattern[size] = pattern.get(size, 0) + 1
        return pattern

    def _start(self, capacity: int) -> tuple[Pattern, int]:
        """The largest regions, until two more could fill the bin; and the room beside them."""
        pattern: Pattern = {}
        size, room = self.largest, capacity
        while size and (room > 2 * size or not pattern):
            many = min(self.left[size], max(1, -(-room // size) - 2))
            pattern[size] = many
            room -= many * size
            if many < self.left[size]:
                break
            size = self.under[size - 1]
        return pattern, room

    def _exactly(self, room: int, pattern: Pattern) -> tuple[int, ...] | None:
        """Up to three regions that fill the room, beside those of the pattern."""
        if room < self.above[0]:
            return () if room <= self.spare else None
        if self.choice.spread and (two := self._pair(room, pattern)):
            return two
        one = self.under[min(room, self.largest)]
        if room - one <= self.spare and self._free(one, pattern):
            return (one,)
        return self._pair(room, pattern) or self._three(room, room, pattern)

    def _free(self, size: int, pattern: Pattern) -> bool:
        return pattern.get(size, 0) < self.left[size]

    def _pair(self, room: int, pattern: Pattern) -> tuple[int, int] | None:
        """Two regions that fill the room."""
        least, most = (room + 1) // 2, min(self.largest, room - self.above[0])
        start = least
        if self.choice.spread and least < most:
            self.turn = (self.turn + _TURN) % 1
            start += int((most - least) * self.turn)
        found = self._pair_between(start, most, room, pattern)
        return found or self._pair_between(least, start - 1, room, pattern)

    def _pair_between(self, least: int, most: int, room: int, pattern: Pattern) -> tuple[int, int] | None:
        """Two regions that fill the room, the larger as small as can be between these two sizes."""
        window = _WINDOW
        shift = self.mirror.size - 1 - room  # from a size to its other in the mirror
        while least <= most:
            end = min(most, least + window - 1)
            both = self.here[least : end + 1] & self.mirror[least + shift : end + 1 + shift]
            self.work -= 1 + (window >> 14)
            at = int(both.argmax())
            if both[at]:
                one, other = least + at, room - least - at
                if self.left[one] > pattern.get(one, 0) + (one == other) and self._free(other, pattern):
                    return one, other
                least = one + 1
            else:
                least, window = end + 1, window * 8
        return None

    def _three(self, room: int, most: int, pattern: Pattern) -> tuple[int, ...] | None:
        """Three regions that fill the room, the first as large as can be and no larger than the most."""
        first = self.under[max(0, min(room - 2 * self.above[0], most, self.largest))]
        for _ in range(_THIRDS):
            if not first:
                break
            before = pattern.get(first, 0)
            if self.left[first] > before:
                pattern[first] = before + 1
                two = self._pair(room - first, pattern)
                pattern[first] = before
                if not before:
                    del pattern[first]
                if two:
                    return first, *two
            first = self.under[first - 1]
        return None

    def _reopened(self, room: int, pattern: Pattern) -> tuple[int, ...] | None:
        """Three regions in place of the last of the pattern, where that is not its only one."""
        last = next(reversed(pattern))
        if len(pattern) == 1 and pattern[last] == 1:
            return None
        pattern[last] -= 1
        three = self._three(room + last, last - 1, pattern)
        if not three:
            pattern[last] += 1
        elif not pattern[last]:
            del pattern[last]
        return three

    def _loosely(self, room: int, pattern: Pattern) -> tuple[int, ...]:
        """What still fits, the largest first."""
        more: list[int] = []
        size = self.under[min(room, self.largest)]
        while size:
            many = min(self.left[size] - pattern.get(size, 0), room // size)
            more += [size] * many
            room -= many * size
            size = self.under[min(room, size - 1)]
        return tuple(more)

    def _fullest(self, pattern: Pattern, room: int, capacity: int) -> Pattern:
        """The fullest that all sums of the classes make of a part of the bin; of more of it until that fills it."""
        best, least, goal = pattern, room, 4 * self.largest
        while True:
            pattern = dict(pattern)
            room = _reopen(pattern, room, min(goal, capacity))
            more, total = self._sum(room, pattern)
            if room - total < least:
                best, least = {size: pattern.get(size, 0) + more.get(size, 0) for size in pattern | more}, room - total
            if not least or room < goal:
                return best
            goal *= 4

    def _sum(self, room: int, pattern: Pattern) -> tuple[Pattern, int]:
        """Regions whose sum is the largest that the room holds, large ones where there is a choice; and the sum."""
        sums, steps = 1, []  # a bit for each sum; sizes, how many there are, the sums without them
        within = (1 << room + 1) - 1
        size = self.above[0]
        while size <= min(room, self.largest) and not sums >> room:
            many = most = min(self.left[size] - pattern.get(size, 0), room // size)
            steps.append((size, most, sums))
            part = 1
            while many > 0:
                part = min(part, many)
                sums |= sums << part * size
                many, part = many - part, 2 * part
                self.work -= 1 + (room >> 15)
            sums &= within
            size = self.above[size]
        total = rest = sums.bit_length() - 1
        more: Pattern = {}
        for size, most, without in reversed(steps):
            counts = range(min(most, rest // size), -1, -1)
            more[size] = next(many for many in counts if without >> rest - many * size & 1)
            rest -= more[size] * size
        return {size: many for size, many in more.items() if many}, total


def _reopen(pattern: Pattern, room: int, goal: int) -> int:
    """Take regions out of the pattern, the last ones first, but for one, until there is room; return the room."""
    for size in list(pattern)[::-1]:
        keep = 1 if len(pattern) == 1 else 0
        many = max(0, min(pattern[size] - keep, -(-(goal - room) // size)))
        pattern[size] -= many
        room += many * size
        if not pattern[size]:
            del pattern[size]
    return room

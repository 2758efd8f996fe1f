"""Weights of entries packed into bins, told as rows of entries.

Knows best-fit-decreasing and entries. Does not know why a region weighs what it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvplan.placement.best_fit import UNPLACED, Filled, Span, best_fit
from kvplan.placement.entries import NO_ROWS, IntArray, Rows
from kvplan.placement.packing import pack_classes


@dataclass(frozen=True, eq=False)
class Weighed:
    """Regions by what they weigh.

    weights: of a region of each entry, shape (e,). numbers: regions of each entry, shape (e,).
    """

    weights: IntArray
    numbers: IntArray

    def classes(self) -> tuple[IntArray, IntArray]:
        """Distinct weights, ascending, and how many regions have each."""
        some = self.numbers > 0
        weights, inverse = np.unique(self.weights[some], return_inverse=True)
        counts = np.zeros(weights.size, dtype=np.int64)
        np.add.at(counts, inverse, self.numbers[some])
        return weights, counts

    def rows(self, filled: Filled, order: IntArray) -> Rows:
        """A packing of the weights by entries: those of one weight in their order.

        order: the bin at each place of the packing. Bin −1 is none.
        """
        entries = np.flatnonzero(self.numbers)
        entries = entries[np.argsort(-self.weights[entries], kind="stable")]
        begins = np.cumsum(filled.bins) - filled.bins
        places = np.arange(int(filled.bins.sum()), dtype=np.int64) + np.repeat(filled.firsts - begins, filled.bins)
        ends_of_bins = np.cumsum(np.repeat(filled.counts, filled.bins))
        ends_of_entries = np.cumsum(self.numbers[entries])
        ends = np.union1d(ends_of_bins, ends_of_entries)
        return Rows(
            entries[np.searchsorted(ends_of_entries, ends)],
            np.append(order, UNPLACED)[places[np.searchsorted(ends_of_bins, ends)]],  # place −1 is the last entry
            np.diff(ends, prepend=0),
        )


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Where some regions are, in how many bins; ``missing`` is about how many have no place, then there are no rows.

    Rows are told, or follow from a packing of weights when they are asked for.
    """

    missing: int
    bins_used: int = 0
    told: Rows = NO_ROWS
    packed: tuple[Weighed, Filled, IntArray] | None = None

    @property
    def quality(self) -> tuple[int, int]:
        """The less, the better."""
        return self.missing, self.bins_used

    def rows(self) -> Rows:
        """What is in each bin."""
        if self.packed is None:
            return self.told
        weighed, filled, order = self.packed
        return weighed.rows(filled, order)


def packed(weights: IntArray, counts: IntArray, room: IntArray, *, thorough: bool = False) -> Filled:
    """Weights into bins. thorough: the better of best-fit-decreasing and what fills bins exactly.

    weights: distinct, ascending, shape (d,). counts: of each, shape (d,). room: of each bin, falling, shape (b,).
    """
    if thorough:
        runs = pack_classes(weights, counts, room).runs
        return Filled(runs.size, runs.bin, runs.bins, runs.count)
    return best_fit(weights, counts, spans(room))


def spans(room: IntArray) -> list[Span]:
    """Bins with room, falling, equal ones together."""
    starts = np.flatnonzero(np.diff(room, prepend=-1))
    lengths = np.diff(starts, append=room.size)
    return list(zip(room[starts].tolist(), starts.tolist(), lengths.tolist(), strict=True))


def fullest(filled: Filled) -> int:
    """Regions of the bin that has most."""
    placed = filled.firsts != UNPLACED
    firsts, bins, counts = filled.firsts[placed], filled.bins[placed], filled.counts[placed]
    change = np.zeros(filled.used + 1, dtype=np.int64)
    np.add.at(change, firsts, counts)
    np.subtract.at(change, firsts + bins, counts)
    return int(np.cumsum(change).max(initial=0))

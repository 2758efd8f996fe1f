"""pack() and pack_classes(): sizes into bins, on arrays: classes of equal sizes, two packers, and a bound.

Knows integers only, in whatever unit they are (blocks, accelerators). Does not know what a region or a bin is.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, SupportsIndex

import numpy as np

from kvplan.placement.best_fit import UNPLACED, Filled, Span, best_fit
from kvplan.placement.bounds import Bound, lower_bound
from kvplan.placement.classes import Classes, KeyArray, checked, gathered, given, stable_order
from kvplan.placement.refill import refilled
from kvplan.units import MAX_INTEGER

IntArray = np.ndarray[Any, np.dtype[np.int64]]

STRATEGIES = ("pack",)


@dataclass(frozen=True, eq=False)
class Runs:
    """A packing without the names of regions: a row is a span of bins that take equally many regions of one size.

    size: descending; of equal sizes the first regions are in the first row.
    bin: where the span begins, as a place in `order`; −1 where regions found no room.
    bins: how many bins the span has.
    count: regions of that size in each of them. Σ bins × count is n: every region is in one row.
    order: the number of the bin that may open first, second, …, shape (b,); with equal bins simply 0, 1, ….
    """

    size: IntArray
    bin: IntArray
    bins: IntArray
    count: IntArray
    order: IntArray

    def bin_numbers(self) -> IntArray:
        """The bins of all spans one after another, −1 for no room, shape (Σ bins,)."""
        places = np.arange(int(self.bins.sum()), dtype=np.int64)
        places += np.repeat(self.bin - (np.cumsum(self.bins) - self.bins), self.bins)
        return np.append(self.order, UNPLACED)[places]  # place −1 is the last entry


@dataclass(frozen=True, eq=False)
class ClassPacking:
    """Regions, known by their sizes alone, in bins, and how few bins any packing could need.

    runs: the packing, compactly.
    loads: what each bin holds, int64: shape (bins_used,) with equal bins, (b,) with a fleet. [units of the sizes]
    bins_used: bins that hold a region. [bins]
    unplaced: regions without a bin. [regions]
    bound: the bins that the regions need which fit the largest bin, and what proves it. Above the bins of a fleet it
        proves that no packing places them all.
    proved_optimal: all regions that fit the largest bin are placed, in as few bins as the bound.
    """

    runs: Runs
    loads: IntArray
    bins_used: int
    unplaced: int
    bound: Bound
    proved_optimal: bool

    @property
    def lower_bound(self) -> int:
        """The fewest bins that any packing needs. [bins]"""
        return self.bound.bins

    @property
    def bound_kind(self) -> str:
        """What gave the bound: "l1", "l2" or "dff"."""
        return self.bound.kind


@dataclass(frozen=True, eq=False)
class Packing(ClassPacking):
    """The packing of an array of regions: it also knows which region is where."""

    _keys: KeyArray = field(repr=False)

    @cached_property
    def bin_of(self) -> IntArray:
        """The bin of each region, −1 where there was no room, int64, shape (n,). Equal sizes fill bins in order."""
        by_place = np.repeat(self.runs.bin_numbers(), np.repeat(self.runs.count, self.runs.bins))
        bins = np.empty_like(by_place)
        bins[stable_order(self._keys)] = by_place
        return _frozen(bins)


class _Bins(NamedTuple):
    """Empty bins, the largest first.

    capacities: descending, shape (b,); of endless bins the first. [units of the sizes]
    order: their numbers, shape (b,). spans: the same bins, equal ones together. endless: as many as needed.
    """

    capacities: IntArray
    order: IntArray
    spans: list[Span]
    endless: bool


def pack(sizes: IntArray, capacities: SupportsIndex | IntArray, *, strategy: str = "pack") -> Packing:
    """Regions into few bins: `pack_classes` of their sizes, and the bin of each region.

    The same input gives the same output; the order of the regions changes no number but which of equal ones is where.
    Time goes with the distinct sizes and the runs, not with regions × bins; only `bin_of` looks at regions again.

    sizes: int64, shape (n,), 0 or more. What is above the largest capacity is not placed.
    capacities: an integer is as many equal bins as needed, an array of int64, shape (b,), is that fleet.
    strategy: "pack" is as few bins as possible.
    Raises: TypeError unless int64; ValueError if the strategy is unknown, a size or capacity is negative, a shape is
        not (n,), or a total would pass 2**62.
    """
    if strategy not in STRATEGIES:
        message = f"unknown strategy `{strategy}`: known are {', '.join(STRATEGIES)}"
        raise ValueError(message)
    classes, keys = gathered(checked(sizes, "sizes"))
    return Packing(**vars(_packed(classes, capacities)), _keys=keys)


def pack_classes(sizes: IntArray, counts: IntArray, capacities: SupportsIndex | IntArray) -> ClassPacking:
    """Regions into few bins, and a bound on how few it could be.

    Best-fit-decreasing on classes of equal sizes; where that leaves a gap to the bound, bins are filled exactly as
    well, within a limit of work, and the better packing is kept: fewest regions without a bin, then fewest bins. The
    largest bins are used first.

    sizes: int64, shape (d,), 0 or more, in any order; equal ones are one class.
    counts: regions of each size, int64, shape (d,), 0 or more.
    capacities: an integer is as many equal bins as needed, an array of int64, shape (b,), is that fleet.
    Raises: TypeError unless int64; ValueError if a number is negative, shapes differ, or a total would pass 2**62.
    Source: best_fit.py, refill.py, bounds.py.
    """
    return _packed(given(sizes, counts), capacities)


def _packed(classes: Classes, capacities: SupportsIndex | IntArray) -> ClassPacking:
    bins = _bins(capacities, int(classes.counts.sum()))
    filled = best_fit(*classes, bins.spans)
    bound, too_large = _bound(classes, bins, filled)
    if _worth_more(filled, bound, bins, too_large):
        filled = refilled(filled, *classes, bins.spans, bound.bins)
    order = np.arange(filled.used, dtype=np.int64) if bins.endless else bins.order
    runs = (filled.sizes, filled.firsts, filled.bins, filled.counts, order)
    return ClassPacking(
        runs=Runs(*(_frozen(column) for column in runs)),
        loads=_frozen(_loads(filled, bins)),
        bins_used=filled.used,
        unplaced=filled.unplaced,
        bound=bound,
        proved_optimal=filled.unplaced == too_large and filled.used == bound.bins,
    )


def _bound(classes: Classes, bins: _Bins, filled: Filled) -> tuple[Bound, int]:
    """The bound of the regions that fit the largest bin, and how many do not.

    Where not all that fit are placed, a bound above the fleet is looked for: it proves that there is no room for all.
    """
    sizes, counts = classes
    fitting = int(np.searchsorted(sizes, bins.capacities.max(initial=-1), side="right"))
    too_large = int(counts[fitting:].sum())
    enough = filled.used if filled.unplaced == too_large else bins.capacities.size + 1
    return lower_bound(sizes[:fitting], counts[:fitting], bins.capacities, enough), too_large


def _worth_more(filled: Filled, bound: Bound, bins: _Bins, too_large: int) -> bool:
    """Whether a better packing is looked for.

    Not where none exists, nor for a bin in ten thousand or for a hundred-thousandth of the bins.
    """
    if filled.unplaced > too_large:
        return bound.bins <= bins.capacities.size
    return filled.used - bound.bins > max(bound.bins // 100_000, int(bound.bins >= 10_000))


def _bins(capacities: SupportsIndex | IntArray, regions: int) -> _Bins:
    """Bins as they open. Endless bins are as many as there are regions: more are never needed."""
    if np.asarray(capacities).ndim:
        fleet = checked(np.asarray(capacities), "capacities")
        order = np.argsort(-fleet, kind="stable")
        falling = fleet[order]
        starts = np.flatnonzero(np.diff(falling, prepend=-1))
        lengths = np.diff(starts, append=falling.size)
        spans = list(zip(falling[starts].tolist(), starts.tolist(), lengths.tolist(), strict=True))
        return _Bins(falling, order, spans, endless=False)
    capacity = _whole(capacities)
    spans = [(capacity, 0, regions)] if regions else []
    return _Bins(np.array([capacity], dtype=np.int64), np.empty(0, dtype=np.int64), spans, endless=True)


def _whole(capacity: SupportsIndex) -> int:
    """One capacity, as a plain integer."""
    try:
        whole = operator.index(capacity)
    except TypeError:
        message = f"capacities are {type(capacity).__name__}, not an integer or an array of int64"
        raise TypeError(message) from None
    if isinstance(capacity, bool):
        message = "capacities are bool, not an integer or an array of int64"
        raise TypeError(message)
    if whole < 0:
        message = f"capacities cannot be negative: {whole:,}"
        raise ValueError(message)
    if whole >= MAX_INTEGER:
        message = f"capacities cannot be 2**62 or more: {whole:,}"
        raise ValueError(message)
    return whole


def _loads(filled: Filled, bins: _Bins) -> IntArray:
    """What is in each bin: of endless bins those that are used, of a fleet all by their numbers."""
    used = filled.loads()
    if bins.endless:
        return used
    loads = np.zeros_like(bins.order)
    loads[bins.order[: used.size]] = used
    return loads


def _frozen(values: IntArray) -> IntArray:
    values.flags.writeable = False
    return values

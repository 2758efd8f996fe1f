"""pack() and pack_classes(): sizes into bins, on arrays: best-fit-decreasing on classes of equal sizes, and a bound.

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
from kvplan.units import MAX_INTEGER

IntArray = np.ndarray[Any, np.dtype[np.int64]]
KeyArray = np.ndarray[Any, np.dtype[Any]]  # uint16 or uint32

STRATEGIES = ("pack",)
_HALF = 1 << 16  # NumPy's stable sort of 16-bit integers is a radix sort: linear, and several times faster


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
        bins[_stable_order(self._keys)] = by_place
        return _frozen(bins)


class _Classes(NamedTuple):
    """Regions gathered by size.

    sizes, counts: distinct sizes, ascending, and regions of each, int64, shape (d,).
    keys: a narrow integer a region, the smaller the larger the size, shape (n,).
    """

    sizes: IntArray
    counts: IntArray
    keys: KeyArray


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
    sizes = _checked(sizes, "sizes")
    bins, classes = _bins(capacities, sizes.size), _classes(sizes)
    packed = _packed(classes.sizes, classes.counts, bins)
    return Packing(**vars(packed), _keys=classes.keys)


def pack_classes(sizes: IntArray, counts: IntArray, capacities: SupportsIndex | IntArray) -> ClassPacking:
    """Regions into few bins, by best-fit-decreasing on classes of equal sizes, with a bound on how few it could be.

    A region goes to the fullest open bin with room, of equally full to the largest, then to the lowest number; where
    none has room, the largest empty bin opens.

    sizes: int64, shape (d,), 0 or more, in any order; equal ones are one class.
    counts: regions of each size, int64, shape (d,), 0 or more.
    capacities: an integer is as many equal bins as needed, an array of int64, shape (b,), is that fleet.
    Raises: TypeError unless int64; ValueError if a number is negative, shapes differ, or a total would pass 2**62.
    Source: Johnson et al., SIAM J. Computing 3 (1974) 299-325; bounds.py.
    """
    sizes, counts = _checked(sizes, "sizes"), _checked(counts, "counts")
    if sizes.shape != counts.shape:
        message = f"there are {sizes.size:,} sizes and {counts.size:,} counts"
        raise ValueError(message)
    total = sum(size * count for size, count in zip(sizes.tolist(), counts.tolist(), strict=True))
    if total >= MAX_INTEGER:
        message = f"sizes × counts add up to {total:,}, which is 2**62 or more"
        raise ValueError(message)
    distinct, places = np.unique(sizes[counts > 0], return_inverse=True)
    regions = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(regions, places, counts[counts > 0])
    return _packed(distinct, regions, _bins(capacities, int(counts.sum())))


def _packed(sizes: IntArray, counts: IntArray, bins: _Bins) -> ClassPacking:
    """sizes: distinct, ascending, shape (d,). counts: 1 or more, shape (d,)."""
    filled = best_fit(sizes, counts, bins.spans)
    used = int(filled.opened[:, 2].sum())
    unplaced = int(filled.counts[filled.firsts == UNPLACED].sum())
    order = np.arange(used, dtype=np.int64) if bins.endless else bins.order
    runs = (filled.sizes, filled.firsts, filled.bins, filled.counts, order)
    bound, all_fit = _bound(sizes, counts, bins, used, unplaced)
    return ClassPacking(
        runs=Runs(*(_frozen(column) for column in runs)),
        loads=_frozen(_loads(filled, bins)),
        bins_used=used,
        unplaced=unplaced,
        bound=bound,
        proved_optimal=all_fit and used == bound.bins,
    )


def _bound(sizes: IntArray, counts: IntArray, bins: _Bins, used: int, unplaced: int) -> tuple[Bound, bool]:
    """The bound of the regions that fit the largest bin, and whether those are all placed.

    Where they are not, a bound above the fleet is looked for: it proves that there is no room for all.
    """
    fitting = int(np.searchsorted(sizes, bins.capacities.max(initial=-1), side="right"))
    all_fit = unplaced == int(counts[fitting:].sum())
    enough = used if all_fit else bins.capacities.size + 1
    return lower_bound(sizes[:fitting], counts[:fitting], bins.capacities, enough), all_fit


def _checked(values: IntArray, what: str) -> IntArray:
    values = np.asarray(values)
    if values.dtype != np.int64:
        message = f"{what} are {values.dtype}, not int64"
        raise TypeError(message)
    if values.ndim != 1:
        message = f"{what} have shape {values.shape}, not one dimension"
        raise ValueError(message)
    if not values.size:
        return values
    if int(values.min()) < 0:
        message = f"{what} cannot be negative: {int(values.min())} at {int(values.argmin())}"
        raise ValueError(message)
    if int(values.max()) * values.size >= MAX_INTEGER and _exact_sum(values) >= MAX_INTEGER:
        message = f"{what} add up to {_exact_sum(values):,}, which is 2**62 or more"
        raise ValueError(message)
    return values


def _exact_sum(values: IntArray) -> int:
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _bins(capacities: SupportsIndex | IntArray, regions: int) -> _Bins:
    """Bins as they open. Endless bins are as many as there are regions: more are never needed."""
    if np.asarray(capacities).ndim:
        fleet = _checked(np.asarray(capacities), "capacities")
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


def _classes(sizes: IntArray) -> _Classes:
    """Classes by counting where sizes are small numbers of some unit, by sorting where they are not."""
    most = int(sizes.max(initial=0))
    if most < max(_HALF, 4 * sizes.size):
        counts = np.bincount(sizes)
        distinct = np.flatnonzero(counts)
        keys = np.subtract(most, sizes, dtype=np.int64).astype(np.uint16 if most < _HALF else np.uint32)
        return _Classes(distinct, counts[distinct], keys)
    unit = int(np.gcd.reduce(sizes))
    if unit > 1:  # bytes of whole blocks
        distinct, counts, keys = _classes(sizes // unit)
        return _Classes(distinct * unit, counts, keys)
    distinct, places, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    keys = (distinct.size - 1 - places).astype(np.uint32)
    return _Classes(distinct, counts, keys)


def _stable_order(keys: KeyArray) -> IntArray:
    """argsort(keys, kind="stable"), by halves of 16 bits: the low ones first."""
    if keys.dtype == np.uint16:
        return np.argsort(keys, kind="stable")
    low = np.argsort(keys.astype(np.uint16), kind="stable")
    high = np.argsort((keys >> 16).astype(np.uint16)[low], kind="stable")
    return low[high]


def _loads(filled: Filled, bins: _Bins) -> IntArray:
    """What is in each bin: of endless bins those that are used, of a fleet all by their numbers."""
    spans = filled.opened if bins.endless else np.concatenate((filled.opened, filled.empty))
    room, _, many = spans[np.argsort(spans[:, 1])].T
    rooms = np.repeat(room, many)
    if bins.endless:
        return np.asarray(bins.capacities[0] - rooms)
    loads = np.empty_like(rooms)
    loads[bins.order] = bins.capacities - rooms
    return loads


def _frozen(values: IntArray) -> IntArray:
    values.flags.writeable = False
    return values

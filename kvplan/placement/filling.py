"""Regions of one deployment into its instances: all if they fit, else the dearest first; what is left over is told.

Knows entries (regions alike) and bins with room and a limit of regions. Does not know seats, bytes or facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from kvplan.placement.best_fit import UNPLACED, best_fit
from kvplan.placement.packing import pack_classes
from kvplan.units import MAX_INTEGER

IntArray = np.ndarray[Any, np.dtype[np.int64]]


class Entry(NamedTuple):
    """Regions of one class and size.

    prefix_blocks, prefixes: what an instance that holds k of the class holds besides: min(prefixes, k) copies.
    first_region: the number of the first of them.
    """

    class_index: int
    size_blocks: int
    number: int
    first_region: int
    prefix_blocks: int = 0
    prefixes: int = 0


class Placed(NamedTuple):
    """Regions of one entry in one bin: the first of them, and how many."""

    entry: Entry
    bin: int
    first_region: int
    number: int


@dataclass
class Filling:
    """What is where. used: blocks in each bin, copies included, shape (b,); held: regions in each, shape (b,)."""

    used: IntArray
    held: IntArray
    placed: list[Placed] = field(default_factory=list)
    left: list[Placed] = field(default_factory=list)  # bin −1
    held_of: dict[int, dict[int, int]] = field(default_factory=dict)  # class with a prefix ▸ bin ▸ regions

    def add(self, entry: Entry, bin: int, first_region: int, number: int) -> None:
        """Regions into a bin, with the copies that they need there."""
        self.placed.append(Placed(entry, bin, first_region, number))
        self.used[bin] += entry.size_blocks * number
        self.held[bin] += number
        if entry.prefix_blocks:
            before = self.held_of.setdefault(entry.class_index, {}).get(bin, 0)
            more = min(entry.prefixes, before + number) - min(entry.prefixes, before)
            self.used[bin] += more * entry.prefix_blocks
            self.held_of[entry.class_index][bin] = before + number


def fill(entries: Sequence[Entry], capacities: IntArray, most: int) -> Filling:
    """Entries, the dearest first, into bins.

    All are packed by best-fit-decreasing if that places all; else the longest run of the dearest that it does place,
    found by bisection, and then each that is left where it still fits, in order.

    entries: in the order in which they are kept. capacities: blocks of each bin, shape (b,).
    most: regions of a bin; 0 for no limit.
    """
    total = sum(entry.number for entry in entries)
    filling = Filling(np.zeros_like(capacities), np.zeros_like(capacities))
    if not total:
        return filling
    kept, packed = total, _pack(entries, total, capacities, most, thorough=True)
    if packed is None:
        kept, packed = _most_that_pack(entries, total, capacities, most)
    rest = _split(entries, kept)
    if packed is not None:
        _note(filling, rest[0], packed)
    for entry, first, number in rest[1]:
        left = _squeeze(filling, entry, first, number, capacities, most)
        if left:
            filling.left.append(Placed(entry, UNPLACED, first + number - left, left))
    return filling


def _most_that_pack(
    entries: Sequence[Entry], total: int, capacities: IntArray, most: int
) -> tuple[int, _Packed | None]:
    """The most regions, the dearest first, that a packing was found for."""
    low, high, best = 0, total, None
    while high - low > 1:
        middle = (low + high) // 2
        packed = _pack(entries, middle, capacities, most, thorough=False)
        if packed is None:
            high = middle
        else:
            low, best = middle, packed
    return low, best


_Pieces = list[tuple[Entry, int, int]]  # entry, first region, number


def _split(entries: Sequence[Entry], kept: int) -> tuple[_Pieces, _Pieces]:
    """The first ``kept`` regions, and the rest."""
    first: _Pieces = []
    rest: _Pieces = []
    for entry in entries:
        inside = min(kept, entry.number)
        kept -= inside
        if inside:
            first.append((entry, entry.first_region, inside))
        if inside < entry.number:
            rest.append((entry, entry.first_region + inside, entry.number - inside))
    return first, rest


class _Packed(NamedTuple):
    """Spans of bins that take equally many regions, sizes falling: the first place, how many, regions in each.

    order: the number of the bin at each place.
    """

    firsts: IntArray
    bins: IntArray
    counts: IntArray
    order: IntArray


def _pack(entries: Sequence[Entry], kept: int, capacities: IntArray, most: int, *, thorough: bool) -> _Packed | None:
    """The first regions into bins; None if any is left out or a bin gets too many.

    In every bin room is kept for the copies of all prefixes. Where bins get more regions than they may, sizes are told
    no smaller than what makes one region more than the limit too large: size × (m + 1) ≥ capacity + 1.
    """
    pieces, _ = _split(entries, kept)
    classes = {entry.class_index: entry.prefix_blocks * entry.prefixes for entry, _, _ in pieces}
    room = np.maximum(0, capacities - sum(classes.values()))
    counts: dict[int, int] = {}
    for entry, _, number in pieces:
        counts[entry.size_blocks] = counts.get(entry.size_blocks, 0) + number
    largest = int(room.max(initial=0))
    if sum(size * count for size, count in counts.items()) > int(room.sum()) or max(counts, default=0) > largest:
        return None
    if most and sum(counts.values()) > most * capacities.size:
        return None
    packed = _best_fit(counts, room, thorough=thorough)
    if packed is None or not most or _fullest(packed) <= most:
        return packed
    scaled: dict[int, int] = {}
    for size, count in counts.items():
        padded = max(size * (most + 1), largest + 1)
        scaled[padded] = scaled.get(padded, 0) + count
    if max(scaled) * sum(scaled.values()) >= MAX_INTEGER or int(room.sum()) * (most + 1) >= MAX_INTEGER:
        return None
    return _best_fit(scaled, room * (most + 1), thorough=thorough)


def _best_fit(counts: dict[int, int], room: IntArray, *, thorough: bool) -> _Packed | None:
    sizes = np.array(sorted(counts), dtype=np.int64)
    numbers = np.array([counts[size] for size in sizes.tolist()], dtype=np.int64)
    if thorough:
        packing = pack_classes(sizes, numbers, room)
        runs = packing.runs
        return None if packing.unplaced else _Packed(runs.bin, runs.bins, runs.count, runs.order)
    order = np.argsort(-room, kind="stable")
    falling = room[order]
    starts = np.flatnonzero(np.diff(falling, prepend=-1))
    many = np.diff(starts, append=falling.size)
    spans = list(zip(falling[starts].tolist(), starts.tolist(), many.tolist(), strict=True))
    filled = best_fit(sizes, numbers, spans)
    if bool((filled.firsts == UNPLACED).any()):
        return None
    return _Packed(filled.firsts, filled.bins, filled.counts, order)


def _fullest(packed: _Packed) -> int:
    """Regions of the bin that has most."""
    held = np.zeros(packed.order.size + 1, dtype=np.int64)
    np.add.at(held, packed.firsts, packed.counts)
    np.add.at(held, packed.firsts + packed.bins, -packed.counts)
    return int(np.cumsum(held).max(initial=0))


def _note(filling: Filling, pieces: _Pieces, packed: _Packed) -> None:
    """A packing told by regions: spans fall in size, and the regions of a size are taken in order."""
    order = packed.order.tolist()
    waiting = sorted(pieces, key=lambda piece: -piece[0].size_blocks)
    at, taken = 0, 0
    spans = zip(packed.firsts.tolist(), packed.bins.tolist(), packed.counts.tolist(), strict=True)
    for first_bin, bins, count in spans:
        for place in range(first_bin, first_bin + bins):
            left = count
            while left:
                entry, first, number = waiting[at]
                inside = min(left, number - taken)
                filling.add(entry, order[place], first + taken, inside)
                left, taken = left - inside, taken + inside
                if taken == number:
                    at, taken = at + 1, 0


def _squeeze(filling: Filling, entry: Entry, first: int, number: int, capacities: IntArray, most: int) -> int:
    """Regions of one entry into whatever bins still have room, the fullest first.

    Returns: how many found none.
    """
    room = capacities - filling.used
    fitting = np.flatnonzero(room >= entry.size_blocks)
    if most:
        fitting = fitting[filling.held[fitting] < most]
    for bin in fitting[np.argsort(room[fitting], kind="stable")].tolist():
        if not number:
            break
        inside = _fits(filling, entry, bin, int(room[bin]), number, most)
        if inside:
            filling.add(entry, bin, first, inside)
            first, number = first + inside, number - inside
    return number


def _fits(filling: Filling, entry: Entry, bin: int, room: int, number: int, most: int) -> int:
    """How many more regions of an entry fit a bin, with the copies that they bring."""
    if most:
        number = min(number, most - int(filling.held[bin]))
    held = filling.held_of.get(entry.class_index, {}).get(bin, 0)
    dear = min(number, max(0, entry.prefixes - held)) if entry.prefix_blocks else 0
    with_copy = entry.size_blocks + entry.prefix_blocks
    if dear and room < dear * with_copy:
        return room // with_copy
    room -= dear * with_copy
    return dear + (min(number - dear, room // entry.size_blocks) if entry.size_blocks else number - dear)

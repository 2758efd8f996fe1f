"""Regions alike as entries, many entries as columns, and where they are as rows.

Knows classes, sizes and how many there are of each. Does not know room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from kvplan.units import MAX_INTEGER

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


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


@dataclass(frozen=True, eq=False)
class Entries:
    """Entries as columns of int64, shape (e,), in the order in which they are kept.

    written: the entries themselves. numbers: how many regions of each are meant. [regions]
    prefix_blocks, prefixes: both 0 where nothing is shared.
    """

    written: Sequence[Entry]
    classes: IntArray
    sizes: IntArray
    numbers: IntArray
    first_regions: IntArray
    prefix_blocks: IntArray
    prefixes: IntArray

    @classmethod
    def of(cls, written: Sequence[Entry]) -> Entries:
        """The columns of some entries."""
        width = len(Entry._fields)
        flat = np.fromiter(chain.from_iterable(written), dtype=np.int64, count=width * len(written))
        classes, sizes, numbers, firsts, blocks, prefixes = flat.reshape(-1, width).T.copy()
        shared = (blocks > 0) & (prefixes > 0)
        return cls(written, classes, sizes, numbers, firsts, blocks * shared, prefixes * shared)

    def where(self, some: BoolArray) -> Entries:
        """The same of which only some are meant: there are 0 regions of the others."""
        return replace(self, numbers=np.where(some, self.numbers, 0))

    @cached_property
    def least_blocks(self) -> IntArray:
        """What one region of each needs of an empty bin: itself and a copy of its prefix, shape (e,). [blocks]"""
        return self.sizes + self.prefix_blocks


class Rows(NamedTuple):
    """So many regions of an entry in a bin, shape (r,) each; the regions of an entry are in its rows in order."""

    entry: IntArray
    bin: IntArray
    number: IntArray


NO_ROWS = Rows(*(np.empty(0, dtype=np.int64) for _ in Rows._fields))


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after another."""
    return Rows(*(np.concatenate(columns) for columns in zip(NO_ROWS, *parts, strict=True)))


def exact_product(values: IntArray, counts: IntArray) -> int:
    """Σ values × counts, however large."""
    if float(values.astype(np.float64) @ counts) < MAX_INTEGER / 2:
        return int(values @ counts)
    return sum(value * count for value, count in zip(values.tolist(), counts.tolist(), strict=True))

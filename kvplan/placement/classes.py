"""Regions gathered by size: classes of equal ones, from an array of regions or from sizes and counts.

Knows integers in any unit. Does not know bins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kvplan.units import MAX_INTEGER

IntArray = np.ndarray[Any, np.dtype[np.int64]]
KeyArray = np.ndarray[Any, np.dtype[Any]]  # uint16 or uint32

_HALF = 1 << 16  # NumPy's stable sort of 16-bit integers is a radix sort: linear, and several times faster


class Classes(NamedTuple):
    """Distinct sizes, ascending, and how many regions have each, 1 or more, int64, shape (d,)."""

    sizes: IntArray
    counts: IntArray


def gathered(sizes: IntArray) -> tuple[Classes, KeyArray]:
    """Classes by counting where sizes are small numbers of some unit, by sorting where they are not.

    sizes: int64, shape (n,), 0 or more.
    Returns: the classes, and a narrow integer a region, the smaller the larger its size, shape (n,).
    """
    most = int(sizes.max(initial=0))
    if most < max(_HALF, 4 * sizes.size):
        counts = np.bincount(sizes)
        distinct = np.flatnonzero(counts)
        keys = np.subtract(most, sizes, dtype=np.int64).astype(np.uint16 if most < _HALF else np.uint32)
        return Classes(distinct, counts[distinct]), keys
    unit = int(np.gcd.reduce(sizes))
    if unit > 1:  # bytes of whole blocks
        classes, keys = gathered(sizes // unit)
        return Classes(classes.sizes * unit, classes.counts), keys
    distinct, places, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    return Classes(distinct, counts), (distinct.size - 1 - places).astype(np.uint32)


def given(sizes: IntArray, counts: IntArray) -> Classes:
    """Classes from sizes and counts in any order: equal sizes are one class, and a count of 0 is none.

    Raises: as `checked`; ValueError if shapes differ or sizes × counts would pass 2**62.
    """
    sizes, counts = checked(sizes, "sizes"), checked(counts, "counts")
    if sizes.shape != counts.shape:
        message = f"there are {sizes.size:,} sizes and {counts.size:,} counts"
        raise ValueError(message)
    total = sum(size * count for size, count in zip(sizes.tolist(), counts.tolist(), strict=True))
    if total >= MAX_INTEGER:
        message = f"sizes × counts add up to {total:,}, which is 2**62 or more"
        raise ValueError(message)
    some = counts > 0
    distinct, places = np.unique(sizes[some], return_inverse=True)
    regions = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(regions, places, counts[some])
    return Classes(distinct, regions)


def checked(values: IntArray, what: str) -> IntArray:
    """The values as an array.

    Raises: TypeError unless int64; ValueError if the shape is not (n,), one is negative, or their sum passes 2**62.
    """
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


def stable_order(keys: KeyArray) -> IntArray:
    """argsort(keys, kind="stable"), by halves of 16 bits: the low ones first."""
    if keys.dtype == np.uint16:
        return np.argsort(keys, kind="stable")
    low = np.argsort(keys.astype(np.uint16), kind="stable")
    high = np.argsort((keys >> 16).astype(np.uint16)[low], kind="stable")
    return low[high]

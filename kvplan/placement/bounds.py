"""How few bins any packing could need: the sum, Martello and Toth's L2, dual feasible functions.

A dual feasible function gives the sizes of any set that fits one bin at most one bin of value, so the values of all
regions count bins that no packing saves. Knows classes of sizes and one capacity; the sum alone knows a mixed fleet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvplan.units import ceil_div

IntArray = np.ndarray[Any, np.dtype[np.int64]]

_CELLS = 1 << 22  # work on dual feasible functions: parameters × classes
_CHUNK = 1 << 16  # cells worked on at once: such arrays stay in the second-level cache
_MOST_STEPS = 100  # beyond it u^(k) hardly differs from the sum
_MOST_PARAMETERS = 256
_FINE = 1 << 30  # units in a bin, at most: products of it and of counts stay below 2**62


@dataclass(frozen=True)
class Bound:
    """A number of bins, and what proves it.

    bins: no packing of all regions that fit a bin uses fewer. [bins]
    kind: "l1" is the sum, "l2" Martello and Toth's, "dff" a dual feasible function.
    function: "sum", "threshold" (parameter: α), "steps" (k of u^(k)) or "multiples" (λ of CCM1).
    parameter: its parameter; in units where it is a size.
    unit: sizes and capacity are first divided by it, rounded down: what fits a bin still does.
    """

    bins: int
    kind: str
    function: str
    parameter: int = 0
    unit: int = 1


def lower_bound(sizes: IntArray, counts: IntArray, capacities: IntArray, enough: int) -> Bound:
    """The first and simplest of the bounds that reaches `enough`, or else the highest.

    sizes: distinct, 0 or more, none above the largest capacity, ascending, shape (d,); with counts below 2**62.
    counts: regions of each size, shape (d,).
    capacities: of the bins, descending, shape (b,), b ≥ 1; where they are too few, more like the largest follow.
    enough: where to stop: the bins of a known packing, which no bound can be above. [bins]
    """
    best = sum_bound(sizes, counts, capacities)
    if best.bins >= enough or not sizes.size or not sizes[-1]:
        return best
    for bound in _further(sizes, counts, int(capacities[0])):
        if bound.bins > best.bins:
            best = bound
        if best.bins >= enough:
            break
    return best


def _further(sizes: IntArray, counts: IntArray, capacity: int) -> Iterator[Bound]:
    """The bounds above the sum, the cheap ones first."""
    bins, alpha = threshold_bound(sizes, counts, capacity)
    yield Bound(bins, "l2", "threshold", alpha)
    unit = _unit(sizes, capacity)
    small, room = sizes // unit, capacity // unit
    yield Bound(ceil_div(int(small @ counts), room), "dff", "sum", 0, unit)
    bins, alpha = threshold_bound(small, counts, room)
    yield Bound(bins, "dff", "threshold", alpha, unit)
    for function, bound, parameters in (
        ("steps", steps_bounds, np.arange(1, _MOST_STEPS + 1)),
        ("multiples", multiples_bounds, _multiples(small, room)),
    ):
        for part in _parts(parameters, small.size):
            for bins, parameter in zip(bound(small, counts, room, part), part.tolist(), strict=True):
                yield Bound(bins, "dff", function, parameter, unit)


def sum_bound(sizes: IntArray, counts: IntArray, capacities: IntArray) -> Bound:
    """L1: the fewest bins, the largest first, whose capacities hold the sum; one at least, if there are regions.

    Returns: 0 bins where there are no regions.
    """
    if not sizes.size:
        return Bound(0, "l1", "sum")
    total, room = int(sizes @ counts), int(capacities.sum())
    if total <= room:
        bins = int(np.searchsorted(np.cumsum(capacities), total)) + 1
    else:
        bins = capacities.size + ceil_div(total - room, int(capacities[0]))
    return Bound(bins, "l1", "sum")


def threshold_bound(sizes: IntArray, counts: IntArray, capacity: int) -> tuple[int, int]:
    """L2: for a threshold α regions above capacity − α stand alone; those from α on fill the bins of other big ones.

    sizes: ascending, none above the capacity, shape (d,); with counts below 2**62.
    Returns: bins, and the least α that gives them.
    Source: Martello and Toth, Discrete Applied Mathematics 28 (1990) 59-70.
    """
    number = np.concatenate(([0], np.cumsum(counts)))  # of the regions before each class
    volume = np.concatenate(([0], np.cumsum(sizes * counts)))
    half = int(np.searchsorted(sizes, capacity // 2, side="right"))  # from here on no two share a bin
    alphas = np.concatenate(([0], sizes[:half]))
    alone = np.searchsorted(sizes, capacity - alphas, side="right")
    from_alpha = np.maximum(np.arange(-1, half), 0)
    room = (number[alone] - number[half]) * capacity - (volume[alone] - volume[half])  # big > ½: below 2**63
    beyond = volume[half] - volume[from_alpha] - room
    bins = number[-1] - number[half] + np.maximum(0, -(-beyond // capacity))
    most = int(np.argmax(bins))
    return int(bins[most]), int(alphas[most])


def steps_bounds(sizes: IntArray, counts: IntArray, capacity: int, ks: IntArray) -> list[int]:
    """u^(k): a size is worth ⌊(k + 1)·share⌋ ÷ k of a bin, and its share where (k + 1)·share is whole.

    sizes: none above the capacity, shape (d,). ks: 1 or more, shape (p,).
    Returns: bins for each k.
    Source: Fekete and Schepers, Mathematical Programming 91 (2001) 11-31.
    """
    steps, over = np.divmod((ks[:, None] + 1) * sizes, capacity)
    exact = over == 0
    stepped = (np.where(exact, 0, steps) @ counts).tolist()  # ÷ k
    shares = (np.where(exact, sizes, 0) @ counts).tolist()  # ÷ capacity
    return [
        ceil_div(share * k + step * capacity, k * capacity)  # whole numbers of any length
        for k, step, share in zip(ks.tolist(), stepped, shares, strict=True)
    ]


def multiples_bounds(sizes: IntArray, counts: IntArray, capacity: int, lambdas: IntArray) -> list[int]:
    """CCM1: a size is worth the multiples of λ that it holds, of those in a bin; above ½ what it leaves is not.

    sizes: none above the capacity, shape (d,). lambdas: 1 to ½ capacity, shape (p,).
    Returns: bins for each λ.
    Source: Carlier, Clautiaux and Moukrim, Computers & Operations Research 34 (2007) 2223-2250.
    """
    column = lambdas[:, None]
    whole = capacity // column
    big, middle = 2 * sizes > capacity, 2 * sizes == capacity
    worth = np.where(big, whole - (capacity - sizes) // column, sizes // column) * 2
    worth = np.where(middle, whole, worth)
    return [
        ceil_div(total, 2 * most) for total, most in zip((worth @ counts).tolist(), whole[:, 0].tolist(), strict=True)
    ]


def _multiples(sizes: IntArray, capacity: int) -> IntArray:
    """λ worth trying: parts of the capacity, and the sizes up to half of it, evenly thinned where they are many."""
    parts = capacity // np.arange(2, _MOST_STEPS + 2)
    small = sizes[(sizes > 0) & (2 * sizes <= capacity)]
    if small.size > _MOST_PARAMETERS:
        small = small[np.linspace(0, small.size - 1, _MOST_PARAMETERS, dtype=np.int64)]
    both = np.unique(np.concatenate((parts, small)))
    return both[both > 0]


def _parts(parameters: IntArray, classes: int) -> Iterator[IntArray]:
    """Parameters within the limit of work, evenly thinned, in chunks."""
    most = max(1, _CELLS // classes)
    if parameters.size > most:
        parameters = parameters[np.linspace(0, parameters.size - 1, most, dtype=np.int64)]
    step = max(1, _CHUNK // classes)
    for start in range(0, parameters.size, step):
        yield parameters[start : start + step]


def _unit(sizes: IntArray, capacity: int) -> int:
    """The common divisor of the sizes, so that the capacity rounds down with them; coarser where a bin is too fine."""
    divisor = int(np.gcd.reduce(sizes)) or 1
    return divisor * (capacity // divisor // _FINE + 1)

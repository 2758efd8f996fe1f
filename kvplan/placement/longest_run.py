"""The longest run of the dearest regions that packs: asked of a packing, not worked out.

Knows only that more regions may not fit. Packings are not monotone: a longer run may pack where a shorter one did not,
so what is found is a run for which one a little longer was tried and failed, or the limit of work was hit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kvplan.placement.arrangement import Arrangement
from kvplan.placement.arranging import Arranger
from kvplan.placement.entries import IntArray

_NEAR = 14  # the search ends within one part in 2**14: what still fits is put in afterwards anyway
_ONE_BY_ONE = 3  # levels tried from the last on, before the rest is halved


def longest_run(
    arranger: Arranger, numbers: IntArray, ends: Sequence[int], work: int, *, thorough: bool
) -> tuple[Arrangement, int]:
    """The arrangement of the longest run that is found, of nothing where none is; and the work that it took.

    First the most whole levels, then what packs of the next one; what follows that has no part in it.

    numbers: regions of each entry, the dearest first, shape (e,).
    ends: where levels of priority end, as numbers of regions, ascending to the last of all.
    work: the search inside a level ends when the arranger has done more.
    thorough: look harder for packings of whole levels.
    """
    whole, best = _whole_levels(arranger, numbers, ends, thorough=thorough)
    if whole == len(ends):
        return best, 0
    level, before = first_of(numbers, ends[whole]), arranger.work
    run = _within(arranger, level, ends[whole - 1] if whole else 0, best, work)
    return run, arranger.work - before


def _whole_levels(
    arranger: Arranger, numbers: IntArray, ends: Sequence[int], *, thorough: bool
) -> tuple[int, Arrangement]:
    """The most levels that pack together, and how."""
    most = most_by_sums(arranger, numbers)
    low, high, best, tries = 0, sum(end <= most for end in ends) + 1, Arrangement(0), 0
    while high - low > 1:
        middle = high - 1 if tries < _ONE_BY_ONE else (low + high) // 2
        found = arranger.arrange(first_of(numbers, ends[middle - 1]), thorough=thorough)
        tries += 1
        if found.missing:
            high = middle
        else:
            low, best = middle, found
    return low, best


def _within(arranger: Arranger, numbers: IntArray, low: int, best: Arrangement, work: int) -> Arrangement:
    """The longest run of a level that packs with all before it.

    It begins at what the sums allow, goes down by what was missing until a run packs, then halves what is between.

    numbers: regions of each entry to the end of the level. low, best: regions before it, and how they are packed.
    """
    begin, step, limit = low, 1, arranger.work + work
    high = min(int(numbers.sum()), most_by_sums(arranger, numbers) + 1)
    middle = high - 1
    while high - low > 1 + (low >> _NEAR) and (low == begin or arranger.work < limit):
        found = arranger.arrange(first_of(numbers, middle))
        if found.missing:
            high, step = middle, max(found.missing, 2 * step)
        else:
            best, low = found, middle
        middle = (low + high) // 2 if low > begin or step >= high - low else high - step
    return best


def first_of(numbers: IntArray, many: int) -> IntArray:
    """How many of the first so many regions are of each entry, shape (e,)."""
    counts: IntArray = np.clip(many - (np.cumsum(numbers) - numbers), 0, numbers)
    return counts


def most_by_sums(arranger: Arranger, numbers: IntArray) -> int:
    """Regions that the room holds by their sum, without copies, and no more than bins may hold."""
    sizes, room = arranger.entries.sizes, int(arranger.room.sum())
    sums = np.cumsum(sizes.astype(np.float64) * numbers)
    near = int(np.searchsorted(sums, room * 1.000001))  # beyond it sums could wrap
    exact = np.cumsum(sizes[:near] * numbers[:near])
    whole = int(np.searchsorted(exact, room, side="right"))
    most = int(numbers[:whole].sum())
    if whole < numbers.size:
        more = room - (int(exact[whole - 1]) if whole else 0)
        most += min(int(numbers[whole]), more // max(1, int(sizes[whole])))
    return min(most, arranger.most * arranger.room.size) if arranger.most else most

"""A class of sequences ▸ regions: sizes in blocks with how many there are of each, as place packs them.

An instance is one bin although its stages may hold unlike layers: regions are told in blocks of one stage, and a block
costs every other stage the most that it costs there for any region. Where stages hold alike, that is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import numpy as np

from kvplan.footprint.accounting import Accountant, SharedPrefix
from kvplan.footprint.sequences import Total, expand
from kvplan.footprint.sizing import IntArray
from kvplan.spec.lengths import Length
from kvplan.units import ceil_div


class ClassRegions(NamedTuple):
    """Regions of one class by stratum, on a rank of each stage.

    number: of all regions. counts: of each stratum, shape (k,). tokens: final length of each, shape (k,). [tokens]
    stage_bytes: for each stage, bytes of each region, shape (k,). [bytes]
    stage_prefix: for each stage, bytes of one copy of the prefix. [bytes]
    """

    number: int
    counts: IntArray
    tokens: IntArray
    stage_bytes: tuple[IntArray, ...]
    stage_prefix: tuple[int, ...]


def planned_number(number: int, total: Total, deviations: float, shared_bytes: Fraction = Fraction(0)) -> int:
    """Sequences that stand for the planning quantile: ⌈n × quantile ÷ mean⌉; n where nothing varies.

    shared_bytes: of the total, what more sequences do not add to: the copies of a prefix. [bytes]

    >>> planned_number(10, Total(Fraction(100), 0.0, 100), 2.3)
    10
    """
    mean = total.mean - shared_bytes
    if total.variance == 0 or mean <= 0:
        return number
    return max(number, ceil(number * (Fraction(total.at(deviations)) - shared_bytes) / mean))


def class_regions(
    accountant: Accountant, lengths: tuple[Length, Length], number: int, prefix: SharedPrefix, measure: str
) -> ClassRegions:
    """The stratum means of a class as regions.

    lengths: laws of prompt and output. number: as ``planned_number`` has it. measure: now, peak or reserved.
    """
    sequences = expand(*lengths, number, prefix.tokens)
    stages = accountant.regions(sequences, prefix, measure)
    tokens = sequences.input_tokens if measure == "now" else sequences.tokens
    return ClassRegions(
        number,
        _spread(number, tokens.size),
        tokens,
        tuple(sizes for sizes, _ in stages),
        tuple(copy for _, copy in stages),
    )


def _spread(number: int, strata: int) -> IntArray:
    """How many regions each stratum stands for: equally many, the rest evenly between.

    >>> _spread(7, 4).tolist()
    [1, 2, 2, 2]
    """
    each, more = divmod(number, strata)
    marks = np.arange(strata + 1, dtype=np.int64) * more // strata
    return np.diff(marks) + each


class StageBlocks(NamedTuple):
    """Regions in blocks, and what a block costs each stage.

    sizes: of each class, shape (k,). prefix_blocks: of one copy of each class. [blocks]
    block_bytes: what a block costs a rank of each stage, at most. [bytes]
    exact: whether it costs that for every region.
    """

    sizes: tuple[IntArray, ...]
    prefix_blocks: tuple[int, ...]
    block_bytes: tuple[int, ...]
    exact: tuple[bool, ...]


def in_blocks(classes: Sequence[ClassRegions], units: Sequence[int]) -> StageBlocks:
    """Regions in blocks of the stage that holds most of all that hold something of every region; the first of equals.

    units: the piece in which a rank of each stage hands out its pool. [bytes]
    Raises: ValueError if there is no such stage: each holds nothing of some region of which another holds something.
    """
    prefixes = [np.array([item.stage_prefix[stage] for item in classes], dtype=np.int64) for stage in range(len(units))]
    whole = []  # of each stage, pieces of every size and prefix [bytes]
    for stage, unit in enumerate(units):
        held = np.concatenate([*(item.stage_bytes[stage] for item in classes), prefixes[stage]])
        whole.append(-(-held // unit) * unit)
    some = np.logical_or.reduce([stage > 0 for stage in whole])
    able = [stage for stage, held in enumerate(whole) if bool((held > 0).all(where=some))]
    if not able:
        raise ValueError("every stage holds nothing of some region, and another stage something of it")
    totals = [_total(classes, stage) for stage in able]
    main = able[totals.index(max(totals))]
    blocks = whole[main][some] // units[main]
    costs = [int((-(-held[some] // blocks)).max(initial=0)) or unit for held, unit in zip(whole, units, strict=True)]
    return StageBlocks(
        tuple(-(-item.stage_bytes[main] // units[main]) for item in classes),
        tuple(ceil_div(item.stage_prefix[main], units[main]) for item in classes),
        tuple(costs),
        tuple(bool((blocks * cost == held[some]).all()) for held, cost in zip(whole, costs, strict=True)),
    )


def _total(classes: Sequence[ClassRegions], stage: int) -> int:
    """Bytes of all regions on a rank of a stage, however many."""
    columns = [(item.stage_bytes[stage].tolist(), item.counts.tolist()) for item in classes]
    return sum(size * count for sizes, counts in columns for size, count in zip(sizes, counts, strict=True))

"""lay_out(): ten million regions on a thousand AL128 racks, and far too many, against one sort of ten million numbers.

Limits: 4 sorts (a stable np.argsort of uint16, in the same run) for what fits with room to spare or is hopeless, 10
where prefixes, priorities or a limit of sequences come in; no more than 0.1 % above the bound where all regions fit and
nothing else limits them; 1 GB.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

import numpy as np

from kvplan.placement.filling import Entry
from kvplan.placement.planner import Asked, bound_of, fits, lay_out
from kvplan.placement.topology import Part, part_of
from kvplan.spec.lengths import MAX_SIZES, Length
from kvplan.spec.system import Fabric

COUNT, RUNS, BLOCK = 10_000_000, 3, 16
RACKS = 1000
# Blocks of 16 tokens in what weights leave of 144 GB: 70B bf16 at TP8 (40,960 B a token), 8B bf16 at TP1 (131,072 B).
LARGE, SMALL = 162_644, 51_000
CHAT = Length("lognormal", 1, 2**17, math.log(2048), 1.2)  # of the tokens of a sequence
LONG = Length("lognormal", 1, 2**20, math.log(2**18), 0.7)


class Case(NamedTuple):
    """One question. limit: sorts at most; exact: whether it is held to the bound."""

    name: str
    asked: tuple[Asked, ...]
    limit: int
    exact: bool = False


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call. [s]"""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """The most memory this process has had, NumPy included. [bytes]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def deployment(
    seat: int,
    capacity: int,
    count: int,
    law: Length = CHAT,
    classes: int = 1,
    levels: int = 1,
    prefix: tuple[int, int] = (0, 0),
    most: int = 0,
) -> Asked:
    """Regions in the strata of a law, shared out to classes and priorities. prefix: blocks of one, and how many."""
    strata = MAX_SIZES if classes == 1 else MAX_SIZES // 16
    sizes, many = np.unique(-(-np.array(law.sizes(strata)) // BLOCK), return_counts=True)
    rows, first = [], 0
    for index in range(classes):
        for size, share in zip(sizes[::-1].tolist(), many[::-1].tolist(), strict=True):
            number = max(1, count * share // (strata * classes))
            rows.append((-(index % levels), Entry(index, size, number, first, *prefix)))
            first += number
    rows.sort(key=lambda row: -row[0])
    priorities, entries = zip(*rows, strict=True)
    return Asked(seat, 1, 0, False, most, (capacity,), entries, priorities)


def cases() -> Iterator[Case]:
    """What is asked of a thousand racks."""
    yield Case("TP8, 7 million", (deployment(8, LARGE, 7_000_000),), 4, exact=True)
    yield Case("TP1, 10 million", (deployment(1, SMALL, COUNT),), 4, exact=True)
    yield Case("TP1, long, 300,000", (deployment(1, LARGE, 300_000, LONG),), 4, exact=True)
    yield Case("TP8, 10 million, not all fit", (deployment(8, LARGE, COUNT),), 4)
    yield Case("TP8, 2^40, hopeless", (deployment(8, LARGE, 1 << 40),), 4)
    yield Case("TP1, 2^40, hopeless", (deployment(1, SMALL, 1 << 40),), 4)
    yield Case("TP1, 10 million, at most 256", (deployment(1, SMALL, COUNT, most=256),), 10)
    yield Case("TP8, 10 million, 3 prefixes of 4 Ki", (deployment(8, LARGE, COUNT, prefix=(256, 3)),), 10)
    yield Case("TP8, 200 classes, 200 priorities", (deployment(8, LARGE, COUNT, classes=200, levels=200),), 10)
    both = (deployment(8, LARGE, COUNT, classes=20, levels=20), deployment(1, SMALL, COUNT, classes=20, levels=20))
    yield Case("TP8 and TP1, 20 priorities each", both, 10)


def bench(case: Case, parts: list[Part], narrow: np.ndarray) -> bool:
    """One line; true if it is over a limit."""
    for want in case.asked:
        assert want.table.sizes.size  # columns are made once for all questions
    pairs = [
        (seconds(lambda: lay_out(parts, case.asked)), seconds(lambda: np.argsort(narrow, kind="stable")))
        for _ in range(RUNS)
    ]
    layout = lay_out(parts, case.asked)
    used = sum(len(got.spots) * want.seat for want, got in zip(case.asked, layout.seated, strict=True))
    left = sum(got.left for got in layout.seated)
    bounds = sum(bound_of(want, 0).accelerators for want in case.asked)
    ratio, gap = median(ours / rival for ours, rival in pairs), used / bounds - 1
    asking = seconds(lambda: fits(parts, case.asked))
    told = f"gap {gap:.3%}" if not left else f"{left:,} left over"
    print(
        f"{case.name}: {ratio:.1f} × one stable argsort (limit {case.limit}), {min(ours for ours, _ in pairs):.2f} s; "
        f"whether it fits {asking:.2f} s; {used:,} accelerators, {told}",
        flush=True,
    )
    return ratio > case.limit or (case.exact and (left > 0 or gap > 1e-3))


def main() -> int:
    """Print one line a question; 1 if any is over its limit."""
    parts = [part_of(Fabric(RACKS, 2, 8, 8), [])]
    narrow = np.random.default_rng(1).integers(0, 1 << 16, COUNT).astype(np.uint16)
    failures = [bench(case, parts, narrow) for case in cases()]
    print(f"peak memory of the process: {peak_bytes() / 1e9:.2f} GB (limit 1)")
    return int(any(failures) or peak_bytes() > 1e9)


if __name__ == "__main__":
    sys.exit(main())

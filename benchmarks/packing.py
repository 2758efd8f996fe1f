"""pack(): planted packings, ten million regions against one sort of them, ten thousand against PyPI's binpacking.

Limits: one bin over a planted packing and no bound above it; bin_of within 12 sorts, 1 GB and 0.01 % of the bound; ten
times faster than binpacking and never more bins. Two populations have no limit on their gap, and docs/benchmarks.md
says why: bins cut into three nearly equal pieces, and agentic requests in bins that hold one or two. Traces are read
from --traces where they are; binpacking (`pip install binpacking`) is compared where it is installed. What is skipped
is said.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from kvplan.placement.best_fit import best_fit
from kvplan.placement.packing import Packing, pack

try:
    import binpacking
except ImportError:
    binpacking = None

TRACES = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "traces"
COUNT, RUNS, BLOCK = 10_000_000, 3, 16
# Blocks of 16 tokens in what weights leave of 144 GB: 70B bf16 at TP8 (40,960 B a token), MLA (70,272 B a token); and
# in a part of that, as smaller accelerators or larger models leave it.
GROUPED, LATENT, PARTS = 164_794, 89_473, (6000, 10_000, 20_000, 40_000)
PIECES = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64, 100, 128, 256)


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call. [s]"""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """The most memory this process has had, NumPy and its input included. [bytes]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def planted(bins: int, pieces: int, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """Bins of the capacity, each cut at random places: a packing into so many bins exists, and none into fewer."""
    cuts = np.sort(rng.integers(0, capacity + 1, (bins, pieces - 1)), axis=1)
    sizes = np.diff(cuts, axis=1, prepend=0, append=capacity).ravel()
    return rng.permutation(sizes[sizes > 0])


def even(bins: int, pieces: int, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """The same, cut into nearly equal pieces: what best-fit-decreasing is bad at."""
    sizes = np.floor(rng.dirichlet(np.full(pieces, 8.0), bins) * capacity).astype(np.int64)
    sizes[:, -1] += capacity - sizes.sum(axis=1)
    return rng.permutation(sizes[sizes > 0])


def lognormal(median_tokens: int, sigma: float, most: int, count: int) -> np.ndarray:
    """Blocks of sequences whose lengths follow a lognormal law."""
    tokens = np.random.default_rng(1).lognormal(np.log(median_tokens), sigma, count)
    return np.ceil(np.clip(tokens, 1, most) / BLOCK).astype(np.int64)


def lengths(path: Path) -> np.ndarray:
    """Input and output tokens of each request of a trace; empty where the file has no such columns."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        rows = (json.loads(line) for line in file) if ".jsonl" in path.name else csv.DictReader(file)
        names = ("input_length output_length", "ContextTokens GeneratedTokens", "input_tokens output_tokens")
        sums = [int(row[a]) + int(row[b]) for row in rows for a, b in map(str.split, names) if a in row and b in row]
    return np.array(sums, dtype=np.int64)


def populations(traces: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """Names, ten million sizes in blocks, and the capacity of a bin."""
    yield "lognormal 2 Ki, 70B", lognormal(2048, 1.2, 2**17, COUNT), GROUPED
    yield "lognormal 8 Ki, MLA", lognormal(8192, 1.3, 2**20 - BLOCK, COUNT), LATENT
    yield "lognormal 256 Ki, MLA", lognormal(2**18, 0.7, 2**20, COUNT), LATENT
    yield "uniform 5 to 70 %", np.random.default_rng(1).integers(500, 7000, COUNT), 10_000
    paths = sorted([*traces.glob("*.csv"), *traces.glob("*.jsonl"), *traces.glob("*.jsonl.gz")])
    if not paths:
        print("SKIPPED: no traces; name their folder by --traces")
    for path in paths:
        tokens = lengths(path)
        if tokens.size >= 100:
            blocks = np.random.default_rng(1).choice(-(-tokens // BLOCK), COUNT)
            for capacity in (*PARTS, LATENT, GROUPED):
                fitting = blocks if blocks.max() <= capacity else blocks[blocks <= capacity]
                yield f"{path.name.split('.')[0]}, bins of {capacity:,}", fitting, capacity


def packed(sizes: np.ndarray, capacity: int) -> Packing:
    """A packing whose bin_of has been asked for."""
    packing = pack(sizes, capacity)
    assert packing.bin_of.size == sizes.size
    return packing


def bench_planted() -> bool:
    """One line a number of pieces; true if any packing is over its limit."""
    rng, failed = np.random.default_rng(1), False
    for cut, how in ((planted, "at random"), (even, "nearly equal")):
        for pieces in PIECES[cut is even :]:  # two nearly equal pieces are a matching, and found
            over, above = [], 0
            for capacity in (1000, 10_000, GROUPED, *([10**9] if cut is planted else [])):
                for bins in (1, 10, 1000, 4000):
                    packing = pack(cut(bins, pieces, capacity, rng), capacity)
                    over.append(packing.bins_used - bins)
                    above += packing.lower_bound > bins
            limit = None if cut is even and pieces == 3 else 1
            print(f"planted, {pieces} pieces {how}: at most {max(over)} over (limit {limit}), {above} bounds above")
            failed |= above > 0 or (limit is not None and max(over) > limit)
    return failed


def bench_millions(traces: Path) -> bool:
    """One line a population; true if any is over a limit."""
    failed = False
    for name, sizes, capacity in populations(traces):
        narrow = sizes.astype(np.uint16)
        pairs = [
            (seconds(lambda s=sizes, c=capacity: packed(s, c)), seconds(lambda n=narrow: np.argsort(n, kind="stable")))
            for _ in range(RUNS)
        ]
        packing = packed(sizes, capacity)
        loads = np.bincount(packing.bin_of, weights=sizes, minlength=packing.bins_used)  # exact below 2**53
        wrong = bool((loads != packing.loads).any() or (loads > capacity).any())
        ratio = median(ours / rival for ours, rival in pairs)
        counts = np.bincount(sizes)
        alone = best_fit(np.flatnonzero(counts), counts[counts > 0], [(capacity, 0, sizes.size)]).used
        gap, limited = packing.bins_used / packing.lower_bound - 1, sizes.size >= 3 * packing.bins_used
        limit, before = "0.01%" if limited else None, alone / packing.lower_bound - 1
        print(
            f"{name}: {ratio:.1f} × one stable argsort (limit 12), {packing.bins_used:,} bins, gap {gap:.4%} (limit "
            f"{limit}; best fit {before:.4%}), {packing.runs.size.size:,} runs, {min(ours for ours, _ in pairs):.2f} s",
            flush=True,
        )
        failed |= ratio > 12 or (limited and gap > 1e-4) or wrong
    print(f"peak memory of the process: {peak_bytes() / 1e9:.2f} GB (limit 1)")
    return failed or peak_bytes() > 1e9


def bench_rival() -> bool:
    """One line a population of ten thousand; true if the rival is ever better."""
    if binpacking is None:
        print("SKIPPED: binpacking is not installed")
        return False
    failed, count = False, 10_000
    rng = np.random.default_rng(2)
    for name, sizes, capacity in (
        ("lognormal 2 Ki, 70B", lognormal(2048, 1.2, 2**17, count), GROUPED),
        ("lognormal 8 Ki, MLA", lognormal(8192, 1.3, 2**20 - BLOCK, count), LATENT),
        ("lognormal 256 Ki, MLA", lognormal(2**18, 0.7, 2**20, count), LATENT),
        ("uniform 5 to 70 %", rng.integers(500, 7000, count), 10_000),
        ("uniform, all distinct", rng.integers(1, 10**9, count), 10**11),
    ):
        values = sizes.tolist()
        pairs = [
            (
                seconds(lambda s=sizes, c=capacity: packed(s, c)),
                seconds(lambda v=values, c=capacity: binpacking.to_constant_volume(v, c)),
            )
            for _ in range(RUNS)
        ]
        ratio = median(rival / ours for ours, rival in pairs)
        bins, theirs = pack(sizes, capacity).bins_used, len(binpacking.to_constant_volume(values, capacity))
        print(f"{name}: {ratio:.0f} × faster than binpacking (limit 10), {bins:,} bins against {theirs:,}")
        failed |= ratio < 10 or bins > theirs
    return failed


def main() -> int:
    """Print one line a measurement; 1 if any is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES)
    traces = parser.parse_args().traces
    failures = [bench_planted(), bench_millions(traces), bench_rival()]
    return int(any(failures))


if __name__ == "__main__":
    sys.exit(main())
